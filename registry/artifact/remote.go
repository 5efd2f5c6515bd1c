package artifact

import (
	"context"
	"fmt"
	"net/http"
	"sync"

	"github.com/google/go-containerregistry/pkg/authn"
	"github.com/google/go-containerregistry/pkg/name"
	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/remote/transport"
	"github.com/google/go-containerregistry/pkg/v1/static"
	"github.com/google/go-containerregistry/pkg/v1/types"

	"github.com/least-privilege/lpm/registry/client"
	"github.com/least-privilege/lpm/registry/reference"
)

// RemoteOptions says how a registry is spoken to.
type RemoteOptions struct {
	// Insecure allows plain HTTP and any certificate.
	Insecure bool
	// Keychain finds credentials; nil means those of the docker config.
	Keychain authn.Keychain
}

// Remote is a repository of a registry as a [Target]. It is safe for use by
// several goroutines. No connection is made before the first call.
type Remote struct {
	repo     name.Repository
	base     http.RoundTripper
	keychain authn.Keychain

	mu      sync.Mutex
	clients map[string]*http.Client // by scope
	tags    sync.Mutex              // held while a fallback tag is updated
}

// NewRemote returns the repository that a named reference is in.
func NewRemote(r reference.Reference, o RemoteOptions) (*Remote, error) {
	ref, err := r.Remote(o.Insecure)
	if err != nil {
		return nil, err
	}
	keychain := o.Keychain
	if keychain == nil {
		keychain = authn.DefaultKeychain
	}
	return &Remote{
		repo:     ref.Context(),
		base:     client.New(o.Insecure),
		keychain: keychain,
		clients:  make(map[string]*http.Client),
	}, nil
}

// String returns the repository's name.
func (r *Remote) String() string { return r.repo.Name() }

// client returns the client that is allowed what the scope says. The
// handshake is made once for each scope.
func (r *Remote) client(ctx context.Context, scope string) (*http.Client, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if c, ok := r.clients[scope]; ok {
		return c, nil
	}
	auth, err := authn.Resolve(ctx, r.keychain, r.repo)
	if err != nil {
		return nil, fmt.Errorf("finding the credentials for %s: %w", r.repo.RegistryStr(), err)
	}
	rt, err := transport.NewWithContext(ctx, r.repo.Registry, auth, r.base, []string{r.repo.Scope(scope)})
	if err != nil {
		return nil, fmt.Errorf("connecting to %s: %w", r.repo.RegistryStr(), err)
	}
	c := &http.Client{Transport: rt, CheckRedirect: client.CheckRedirect}
	r.clients[scope] = c
	return c, nil
}

// Manifest implements [Target].
func (r *Remote) Manifest(ctx context.Context, digest v1.Hash) ([]byte, error) {
	raw, err := r.manifest(ctx, digest.String(), string(types.OCIManifestSchema1), string(types.DockerManifestSchema2),
		string(types.OCIImageIndex), string(types.DockerManifestList))
	if err != nil {
		return nil, err
	}
	return raw, checkDigest(raw, digest)
}

// manifest reads what a tag or a digest names. The bytes are not verified.
func (r *Remote) manifest(ctx context.Context, identifier string, accept ...string) ([]byte, error) {
	answer, err := r.getURL(ctx, r.url("manifests/"+identifier), MaxManifest, accept...)
	if err != nil {
		return nil, err
	}
	switch answer.status {
	case http.StatusOK:
		return answer.body, nil
	case http.StatusNotFound:
		return nil, fmt.Errorf("manifest %s in %s: %w", identifier, r, ErrNotFound)
	}
	return nil, answer.unexpected()
}

// Blob implements [Target].
func (r *Remote) Blob(ctx context.Context, d v1.Descriptor) ([]byte, error) {
	if d.Size < 0 || d.Size > MaxDocument {
		return nil, fmt.Errorf("blob %s of %d bytes: %w", d.Digest, d.Size, ErrTooLarge)
	}
	answer, err := r.getURL(ctx, r.url("blobs/"+d.Digest.String()), d.Size, "*/*")
	if err != nil {
		return nil, err
	}
	switch answer.status {
	case http.StatusOK:
		return answer.body, checkBlob(answer.body, d)
	case http.StatusNotFound:
		return nil, fmt.Errorf("blob %s in %s: %w", d.Digest, r, ErrNotFound)
	}
	return nil, answer.unexpected()
}

// Write implements [Target].
func (r *Remote) Write(ctx context.Context, a Artifact) error {
	for _, b := range a.Blobs {
		if err := r.writeBlob(ctx, b); err != nil {
			return err
		}
	}
	if err := r.put(ctx, a.Descriptor.Digest.String(), a.Descriptor.MediaType, a.Manifest); err != nil {
		return err
	}
	return r.list(ctx, a.Subject, a.Descriptor)
}

func (r *Remote) writeBlob(ctx context.Context, b Blob) error {
	return r.WriteLayer(ctx, static.NewLayer(b.Content, b.MediaType))
}

// put writes a manifest under a tag or its digest. The library's own way
// would also write the fallback tag, without reading it again.
func (r *Remote) put(ctx context.Context, identifier string, mediaType types.MediaType, raw []byte) error {
	answer, err := r.do(ctx, http.MethodPut, transport.PushScope, "manifests/"+identifier, string(mediaType), raw)
	if err != nil {
		return err
	}
	switch answer.status {
	case http.StatusOK, http.StatusCreated, http.StatusAccepted:
		return nil
	}
	return answer.unexpected()
}
