// Package artifact keeps documents beside an image as OCI referrers.
//
// A document (a manifest of permissions, an evidence record, a signed
// approval) is the one layer of an OCI image manifest whose subject is the
// image's platform manifest. The format is that of the OCI image
// specification 1.1, "Guidelines for Artifact Usage". Where documents are
// kept is a [Target]: the local store, or a repository of a registry.
//
// Everything read is hostile until it is checked. What a target lists is a
// hint only: type and subject are taken from the manifest itself, sizes are
// bounded before they are read, and bytes are held against their digest.
package artifact

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"time"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/types"
)

// Bounds on what is read. A document that needs more is refused.
const (
	// MaxManifest is the greatest size of an OCI manifest or index, in bytes;
	// the distribution specification asks registries to take 4 MiB.
	MaxManifest = 4 << 20
	// MaxDocument is the greatest size of a document, in bytes.
	MaxDocument = 64 << 20
	// MaxReferrers is the greatest number of referrers of one image that are
	// looked at.
	MaxReferrers = 1024
)

// maxInline is the greatest size of a document, in bytes, that is put into the
// manifest too: OCI image specification 1.1, "Descriptors", data.
const maxInline = 256 << 10

// EmptyConfig is the media type of the config of an artifact that has none.
const EmptyConfig = "application/vnd.oci.empty.v1+json"

const createdAnnotation = "org.opencontainers.image.created"

// Source is a place to read images and what refers to them from.
// Implementations verify that bytes have the digest they were asked for by,
// report [ErrNotFound] and [ErrCorrupt], and honour the bounds of this package.
type Source interface {
	// Referrers lists the manifests that may have the subject. An entry may
	// be wrong in every respect; a missing list is an empty one.
	Referrers(ctx context.Context, subject v1.Hash) ([]v1.Descriptor, error)
	// Manifest returns the bytes of a manifest.
	Manifest(ctx context.Context, digest v1.Hash) ([]byte, error)
	// Blob returns the bytes of a blob of exactly d.Size bytes.
	Blob(ctx context.Context, d v1.Descriptor) ([]byte, error)
}

// Target is a source that can be written to.
type Target interface {
	Source
	// Write stores the blobs, then the manifest, and lists it as a referrer
	// of its subject. When it returns nil the artifact can be found.
	Write(ctx context.Context, a Artifact) error
}

// Artifact is a referrer ready to be stored.
type Artifact struct {
	// Subject is the digest of the image's platform manifest.
	Subject v1.Hash
	// Descriptor is of the manifest, as a list of referrers would hold it.
	Descriptor v1.Descriptor
	// Manifest is the bytes of the OCI image manifest.
	Manifest []byte
	// Blobs are the config and the document.
	Blobs []Blob
}

// Blob is a piece of content and its media type.
type Blob struct {
	MediaType types.MediaType
	Content   []byte
}

var (
	// ErrNotFound is returned for what a target does not have.
	ErrNotFound = errors.New("not found")
	// ErrCorrupt is returned for bytes that are not those the digest names.
	ErrCorrupt = errors.New("content does not match its digest")
	// ErrTooLarge is returned for what exceeds a bound of this package.
	ErrTooLarge = errors.New("too large")
	// ErrTooMany is returned when an image has more than [MaxReferrers].
	ErrTooMany = fmt.Errorf("more than %d referrers", MaxReferrers)
)

// Document is what [AttachBlob] stores.
type Document struct {
	// MediaType is the artifactType and the media type of the layer.
	MediaType types.MediaType
	// Config is the media type of the config; empty means MediaType, so that
	// a registry that reports the config's type as the artifact's is right.
	Config types.MediaType
	// Content is the document itself, at most [MaxDocument] bytes.
	Content []byte
	// Created is kept as an annotation, in UTC.
	Created time.Time
	// Annotations are added to the manifest.
	Annotations map[string]string
}

// AttachBlob stores a document as a referrer of the image manifest subject,
// which the target must have, and returns the digest of the new artifact.
func AttachBlob(ctx context.Context, t Target, subject v1.Hash, doc Document) (v1.Hash, error) {
	a, err := build(ctx, t, subject, doc)
	if err != nil {
		return v1.Hash{}, fmt.Errorf("building an artifact for %s: %w", subject, err)
	}
	if err := t.Write(ctx, a); err != nil {
		return v1.Hash{}, fmt.Errorf("attaching to %s: %w", subject, err)
	}
	return a.Descriptor.Digest, nil
}

func build(ctx context.Context, t Target, subject v1.Hash, doc Document) (Artifact, error) {
	if len(doc.Content) > MaxDocument {
		return Artifact{}, fmt.Errorf("document of %d bytes: %w", len(doc.Content), ErrTooLarge)
	}
	about, err := describeSubject(ctx, t, subject)
	if err != nil {
		return Artifact{}, err
	}
	config := Blob{MediaType: doc.Config, Content: []byte("{}")}
	if config.MediaType == "" {
		config.MediaType = doc.MediaType
	}
	layer := Blob{MediaType: doc.MediaType, Content: doc.Content}
	described := describe(layer)
	if len(doc.Content) <= maxInline {
		described.Data = doc.Content
	}
	annotations := map[string]string{createdAnnotation: doc.Created.UTC().Format(time.RFC3339Nano)}
	maps.Copy(annotations, doc.Annotations)

	raw, err := encodeManifest(ociManifest{
		SchemaVersion: 2,
		MediaType:     types.OCIManifestSchema1,
		ArtifactType:  string(doc.MediaType),
		Config:        describe(config),
		Layers:        []v1.Descriptor{described},
		Subject:       &about,
		Annotations:   annotations,
	})
	if err != nil {
		return Artifact{}, err
	}
	d := describe(Blob{MediaType: types.OCIManifestSchema1, Content: raw})
	d.ArtifactType = string(doc.MediaType)
	d.Annotations = annotations
	return Artifact{Subject: subject, Descriptor: d, Manifest: raw, Blobs: []Blob{config, layer}}, nil
}
