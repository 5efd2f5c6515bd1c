package artifact

import (
	"context"
	"fmt"
	"net/http"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/remote"
	"github.com/google/go-containerregistry/pkg/v1/remote/transport"
	"github.com/google/go-containerregistry/pkg/v1/types"

	"github.com/least-privilege/lpm/registry/reference"
)

// Layer returns a blob of any size, which is read when it is asked for its
// content and held against its digest. Where it is written to the same registry,
// that takes it from here without its bytes being sent.
func (r *Remote) Layer(ctx context.Context, d v1.Descriptor) (v1.Layer, error) {
	c, err := r.client(ctx, transport.PullScope)
	if err != nil {
		return nil, err
	}
	at := r.repo.Digest(d.Digest.String())
	layer, err := remote.Layer(at, remote.WithContext(ctx), remote.WithTransport(c.Transport))
	if err != nil {
		return nil, fmt.Errorf("blob %s in %s: %w", d.Digest, r, err)
	}
	return layer, nil
}

// WriteLayer stores a blob of any size, unless the registry has it.
func (r *Remote) WriteLayer(ctx context.Context, layer v1.Layer) error {
	c, err := r.client(ctx, transport.PushScope)
	if err != nil {
		return err
	}
	if err := remote.WriteLayer(r.repo, layer, remote.WithContext(ctx), remote.WithTransport(c.Transport)); err != nil {
		return fmt.Errorf("writing a blob to %s: %w", r, err)
	}
	return nil
}

// Has reports whether the registry has a manifest, and with it all that the
// manifest names: registries refuse manifests whose content they lack.
func (r *Remote) Has(ctx context.Context, d v1.Descriptor) (bool, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodHead, r.url("manifests/"+d.Digest.String()).String(), nil)
	if err != nil {
		return false, fmt.Errorf("asking %s: %w", r.repo.RegistryStr(), err)
	}
	req.Header.Set("Accept", string(d.MediaType))
	answer, err := r.send(ctx, transport.PullScope, req, MaxManifest)
	if err != nil {
		return false, err
	}
	switch answer.status {
	case http.StatusOK:
		return true, nil
	case http.StatusNotFound:
		return false, nil
	}
	return false, answer.unexpected()
}

// Put stores a manifest under a tag, or its digest. All that it names has to be
// there.
func (r *Remote) Put(ctx context.Context, identifier string, mediaType types.MediaType, raw []byte) error {
	return r.put(ctx, identifier, mediaType, raw)
}

// Enlist makes sure that a manifest that was put is found as a referrer of its
// subject.
func (r *Remote) Enlist(ctx context.Context, subject v1.Hash, d v1.Descriptor) error {
	return r.list(ctx, subject, d)
}

// Root returns the manifest that a reference names, whatever its kind. When the
// reference has a digest, what the registry answers is held against it.
func (r *Remote) Root(ctx context.Context, ref reference.Reference) (v1.Descriptor, error) {
	raw, err := r.named(ctx, ref)
	if err != nil {
		return v1.Descriptor{}, fmt.Errorf("resolving %s: %w", ref, err)
	}
	mediaType, err := mediaTypeOf(raw)
	if err != nil {
		return v1.Descriptor{}, fmt.Errorf("resolving %s: %w", ref, err)
	}
	return v1.Descriptor{MediaType: mediaType, Digest: digestOf(raw), Size: int64(len(raw))}, nil
}

// named reads what a reference names.
func (r *Remote) named(ctx context.Context, ref reference.Reference) ([]byte, error) {
	identifier := ref.Tag
	if ref.Digest != "" {
		identifier = ref.Digest
	}
	raw, err := r.manifest(ctx, identifier, string(types.OCIManifestSchema1), string(types.DockerManifestSchema2),
		string(types.OCIImageIndex), string(types.DockerManifestList))
	if err != nil {
		return nil, err
	}
	if ref.Digest != "" && digestOf(raw).String() != ref.Digest {
		return nil, ErrCorrupt
	}
	return raw, nil
}
