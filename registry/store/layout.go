package store

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"runtime"
	"slices"
	"strings"

	v1 "github.com/google/go-containerregistry/pkg/v1"
)

// annotationContainerd is the full name that containerd and docker write
// beside the tag in [annotationName].
const annotationContainerd = "io.containerd.image.name"

// readLayout lists the images of an OCI layout.
func readLayout(files files, l location) ([]found, error) {
	if err := checkLayout(files); err != nil {
		return nil, err
	}
	raw, err := readSmall(files, "index.json")
	if err != nil {
		return nil, err
	}
	index, err := v1.ParseIndexManifest(bytes.NewReader(raw))
	if err != nil {
		return nil, fmt.Errorf("reading index.json: %w", err)
	}
	byName := map[string][]v1.Descriptor{}
	var names, tags []string
	for _, d := range index.Manifests {
		if !d.MediaType.IsImage() && !d.MediaType.IsIndex() || isArtifact(d) || d.ArtifactType != "" {
			continue
		}
		if tag := d.Annotations[annotationName]; tag != "" && !slices.Contains(tags, tag) {
			tags = append(tags, tag)
		}
		if l.tag != "" && !hasTag(d, l.tag) {
			continue
		}
		name, err := layoutName(d, l.path)
		if err != nil {
			return nil, err
		}
		if byName[name] == nil {
			names = append(names, name)
		}
		byName[name] = append(byName[name], d)
	}
	if len(names) == 0 {
		if l.tag != "" {
			return nil, &TagError{Tag: l.tag, Have: tags}
		}
		return nil, errors.New("its index.json lists no image")
	}
	images := make([]found, 0, len(names))
	for _, name := range names {
		d, err := oneOf(name, byName[name])
		if err != nil {
			return nil, err
		}
		images = append(images, found{name: name, desc: d, source: layoutSource{files}})
	}
	return images, nil
}

// checkLayout refuses versions of the layout that do not exist yet.
func checkLayout(files files) error {
	raw, err := readSmall(files, "oci-layout")
	if err != nil {
		return err
	}
	var v struct {
		Version string `json:"imageLayoutVersion"`
	}
	if err := json.Unmarshal(raw, &v); err != nil {
		return fmt.Errorf("reading oci-layout: %w", err)
	}
	if v.Version != "1.0.0" {
		return fmt.Errorf("its oci-layout has the unknown version %q", v.Version)
	}
	return nil
}

// oneOf picks from several images of one name. Some tools list an image's
// platforms in index.json itself.
func oneOf(name string, list []v1.Descriptor) (v1.Descriptor, error) {
	if len(list) == 1 {
		return list[0], nil
	}
	first := list[0].Digest
	if !slices.ContainsFunc(list, func(d v1.Descriptor) bool { return d.Digest != first }) {
		return list[0], nil
	}
	if slices.ContainsFunc(list, func(d v1.Descriptor) bool { return d.Platform == nil }) {
		return v1.Descriptor{}, fmt.Errorf("its index.json names several images %q", name)
	}
	return choose(name, runtime.GOARCH, list)
}

func hasTag(d v1.Descriptor, tag string) bool {
	full := d.Annotations[annotationContainerd]
	return d.Annotations[annotationName] == tag || full == tag || strings.HasSuffix(full, ":"+tag)
}

// layoutName is the local name of an image in a layout.
func layoutName(d v1.Descriptor, path string) (string, error) {
	if full := d.Annotations[annotationContainerd]; full != "" {
		return localName(full)
	}
	ref := d.Annotations[annotationName]
	if strings.ContainsAny(ref, "/:@") {
		return localName(ref)
	}
	return sourceName(path, ref)
}

// layoutSource reads the blobs of a layout.
type layoutSource struct{ files files }

func (s layoutSource) document(d v1.Descriptor) ([]byte, error) {
	return readSmall(s.files, blobName(d.Digest))
}

func (s layoutSource) open(d v1.Descriptor) (io.ReadCloser, error) {
	r, _, err := s.files.open(blobName(d.Digest))
	return r, err
}

func blobName(h v1.Hash) string { return "blobs/" + h.Algorithm + "/" + h.Hex }

// readSmall reads a document of a source.
func readSmall(files files, name string) ([]byte, error) {
	r, size, err := files.open(name)
	if err != nil {
		return nil, err
	}
	defer r.Close()
	if size > maxDocument {
		return nil, fmt.Errorf("%s is larger than %d bytes", name, maxDocument)
	}
	return io.ReadAll(io.LimitReader(r, maxDocument))
}
