package store

import (
	"bytes"
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/types"
)

// Layout is an OCI image layout, a folder or a tar, that is open to be read. It
// is of the OCI image specification 1.1, "OCI Image Layout Specification".
// Nothing in it is believed: bytes are held against their digests.
type Layout struct {
	path, tag string
	files     files
	index     *v1.IndexManifest
	// collection keeps Prune from what is spooled.
	collection io.Closer
}

// OpenLayout opens the layout that a source names in one of the forms of
// [Store.Load]. The store lends room for a tar to be spooled to. The error is a
// [*FormatError] for what is no layout. The caller closes it.
func (s *Store) OpenLayout(ctx context.Context, source string) (l *Layout, err error) {
	where := parseLocation(source)
	if where.format == "docker-archive" {
		return nil, &FormatError{Source: where.path, Err: errors.New("a docker archive is no OCI layout")}
	}
	l = &Layout{path: where.path, tag: where.tag}
	if l.collection, err = s.lock(ctx, lockCollection, shared); err != nil {
		return nil, err
	}
	if l.files, err = s.openFiles(ctx, where.path); err != nil {
		return nil, errors.Join(fmt.Errorf("opening %s: %w", source, err), l.collection.Close())
	}
	if err := l.read(); err != nil {
		return nil, errors.Join(&FormatError{Source: where.path, Err: err}, l.Close())
	}
	return l, nil
}

func (l *Layout) read() error {
	if !l.files.has("index.json") || !l.files.has("oci-layout") {
		return errors.New("no OCI layout: index.json or oci-layout is missing")
	}
	if err := checkLayout(l.files); err != nil {
		return err
	}
	raw, err := readSmall(l.files, "index.json")
	if err != nil {
		return err
	}
	if l.index, err = v1.ParseIndexManifest(bytes.NewReader(raw)); err != nil {
		return fmt.Errorf("reading index.json: %w", err)
	}
	return nil
}

// Close releases what the layout holds.
func (l *Layout) Close() error { return errors.Join(l.files.close(), l.collection.Close()) }

// Image returns the descriptor of the one image, or index of images, that the
// source names: by its tag, or because there is no other. The error is a
// [*TagError] where there is none of the tag, or several and no tag.
func (l *Layout) Image() (v1.Descriptor, error) {
	var found []v1.Descriptor
	var tags []string
	for _, d := range l.index.Manifests {
		if !d.MediaType.IsImage() && !d.MediaType.IsIndex() || d.ArtifactType != "" {
			continue
		}
		if tag := d.Annotations[annotationName]; tag != "" {
			tags = append(tags, tag)
		}
		same := func(other v1.Descriptor) bool { return other.Digest == d.Digest }
		if (l.tag == "" || hasTag(d, l.tag)) && !slices.ContainsFunc(found, same) {
			found = append(found, d)
		}
	}
	switch {
	case len(found) == 1:
		return found[0], nil
	case l.tag == "" && len(found) > 1:
		return v1.Descriptor{}, &FormatError{Source: l.path, Err: fmt.Errorf("it has %d images: name one by its tag, of %q", len(found), tags)}
	case l.tag == "":
		return v1.Descriptor{}, &FormatError{Source: l.path, Err: errors.New("its index.json lists no image")}
	case len(found) > 1:
		return v1.Descriptor{}, &FormatError{Source: l.path, Err: fmt.Errorf("its index.json names several images %q", l.tag)}
	}
	return v1.Descriptor{}, &FormatError{Source: l.path, Err: &TagError{Tag: l.tag, Have: tags}}
}

// Referrers returns the descriptors of index.json that may be of artifacts, and
// those of the index that goes by the subject's fallback tag (distribution
// specification 1.1, "Referrers Tag Schema"), which some tools copy along.
func (l *Layout) Referrers(subject v1.Hash) ([]v1.Descriptor, error) {
	var all []v1.Descriptor
	for _, d := range l.index.Manifests {
		switch {
		case d.MediaType == types.OCIManifestSchema1 && d.Digest != subject:
			all = append(all, d)
		case d.MediaType == types.OCIImageIndex && d.Annotations[annotationName] == subject.Algorithm+"-"+subject.Hex:
			raw, err := l.ReadBlob(d.Digest, maxDocument)
			if err != nil {
				return nil, err
			}
			list, err := v1.ParseIndexManifest(bytes.NewReader(raw))
			if err != nil {
				return nil, fmt.Errorf("reading %s: %w", d.Digest, err)
			}
			all = append(all, list.Manifests...)
		}
	}
	return all, nil
}

// Blob opens a blob as [Store.Blob] does, with its size in bytes.
func (l *Layout) Blob(h v1.Hash) (io.ReadCloser, int64, error) {
	if h.Algorithm != "sha256" {
		return nil, 0, fmt.Errorf("digest %q: only sha256 is supported", h)
	}
	r, size, err := l.files.open(blobName(h))
	if errors.Is(err, os.ErrNotExist) {
		return nil, 0, &NotFoundError{What: "blob", Ref: h.String()}
	}
	if err != nil {
		return nil, 0, fmt.Errorf("opening blob %s: %w", h, err)
	}
	return &verifiedBlob{file: r, want: h, sum: sha256.New()}, size, nil
}

// ReadBlob reads a blob of at most limit bytes whole, held against its digest.
func (l *Layout) ReadBlob(h v1.Hash, limit int64) ([]byte, error) {
	r, _, err := l.Blob(h)
	if err != nil {
		return nil, err
	}
	return readWhole(r, h, limit)
}

// readWhole reads a blob of at most limit bytes, and closes it.
func readWhole(r io.ReadCloser, h v1.Hash, limit int64) ([]byte, error) {
	defer r.Close()
	data, err := io.ReadAll(io.LimitReader(r, limit+1))
	if err != nil {
		return nil, fmt.Errorf("reading blob %s: %w", h, err)
	}
	if int64(len(data)) > limit {
		return nil, fmt.Errorf("reading blob %s: larger than %d bytes", h, limit)
	}
	return data, nil
}
