package store

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"strings"

	v1 "github.com/google/go-containerregistry/pkg/v1"
)

// Load brings the images of a local source into the store and returns them.
// The source is one of
//
//	oci:PATH          an OCI layout, all of its images
//	oci:PATH:TAG      the image of the layout that is named TAG, as its
//	                  index.json has it ("1.2", "app:1.2")
//	docker-archive:FILE   what `docker save` writes
//	PATH              either, told apart by what is in it
//
// where PATH is a folder or a tar, plain or gzip. Of an image for several
// platforms this machine's is taken. An image keeps the name the source gives
// it; one that is only a tag goes with the source's own file name, so that
// the tag "1.2" in nginx.tar becomes "nginx:1.2".
//
// All images of a source get their names at once or, on an error, none does.
// Errors: [*FormatError] for what is no image or is cut short,
// [*PlatformError], [*unpack.MismatchError].
func (s *Store) Load(ctx context.Context, source string) ([]Image, error) {
	return s.LoadWith(ctx, source, LoadOptions{})
}

// LoadOptions say how to load.
type LoadOptions struct {
	// Also, when set, is handed a source that is an OCI layout once its images
	// are in the store, so that more of it can be taken. What it returns is the
	// error of loading; the images stay.
	Also func(*Layout, []Image) error
	// Progress, when set, is told the bytes of an image's layers that are done
	// and those there are, for each image anew.
	Progress func(done, total int64)
}

// LoadWith is Load with options.
func (s *Store) LoadWith(ctx context.Context, source string, o LoadOptions) ([]Image, error) {
	images, err := s.load(ctx, parseLocation(source), o)
	if err != nil {
		return nil, fmt.Errorf("loading %s: %w", source, err)
	}
	return images, nil
}

// location is a parsed source.
type location struct {
	// format is "oci", "docker-archive", or empty for either.
	format string
	path   string
	// tag picks one image of a layout; empty means all.
	tag string
}

// parseLocation splits a source. A colon may be part of a path and of an
// image's name ("app:1"), so the longest path that exists is the path, and the
// name is the rest. Where none exists, the last colon divides them.
func parseLocation(source string) location {
	if path, ok := strings.CutPrefix(source, "docker-archive:"); ok {
		return location{format: "docker-archive", path: path}
	}
	path, ok := strings.CutPrefix(source, "oci:")
	if !ok {
		return location{path: source}
	}
	l := location{format: "oci", path: path}
	if exists(path) {
		return l
	}
	if i := strings.LastIndexByte(path, ':'); i > 0 {
		l.path, l.tag = path[:i], path[i+1:]
	}
	for i := strings.LastIndexByte(path, ':'); i > 0; i = strings.LastIndexByte(path[:i], ':') {
		if exists(path[:i]) {
			l.path, l.tag = path[:i], path[i+1:]
			break
		}
	}
	return l
}

func exists(path string) bool {
	_, err := os.Lstat(path)
	return err == nil
}

func (s *Store) load(ctx context.Context, l location, o LoadOptions) ([]Image, error) {
	collection, err := s.lock(ctx, lockCollection, shared)
	if err != nil {
		return nil, err
	}
	defer collection.Close()

	files, err := s.openFiles(ctx, l.path)
	if err != nil {
		return nil, err
	}
	defer files.close()

	found, err := readSource(files, l)
	if err != nil {
		return nil, &FormatError{Source: l.path, Err: err}
	}
	entries := make([]v1.Descriptor, 0, len(found))
	archive := false
	for _, f := range found {
		_, archive = f.source.(*dockerSource)
		a := adder{store: s, source: f.source, architecture: runtime.GOARCH, contents: archive, parallel: 1, progress: o.Progress}
		entry, err := a.add(ctx, f.name, f.desc)
		if err != nil {
			return nil, formatError(l.path, fmt.Errorf("image %s: %w", f.name, err))
		}
		entries = append(entries, entry)
	}
	images, err := s.enter(ctx, entries...)
	if err != nil || archive || o.Also == nil {
		return images, err
	}
	layout := &Layout{path: l.path, tag: l.tag, files: files}
	if err := layout.read(); err != nil {
		return nil, &FormatError{Source: l.path, Err: err}
	}
	return images, o.Also(layout, images)
}

// formatError wraps what is wrong with the source's content. A done context,
// a want of architecture and a quota are not the source's fault.
func formatError(path string, err error) error {
	var platform *PlatformError
	var quota *QuotaError
	if errors.Is(err, context.Canceled) || errors.Is(err, context.DeadlineExceeded) || errors.As(err, &platform) || errors.As(err, &quota) {
		return err
	}
	return &FormatError{Source: path, Err: err}
}

// found is an image in a source.
type found struct {
	name   string
	desc   v1.Descriptor
	source source
}

// readSource finds out what the files are and lists the images in them. What
// docker has written since version 25 is both; the layout is preferred since
// it has the image's own manifest, and with it its true digest.
func readSource(files files, l location) ([]found, error) {
	hasLayout := files.has("index.json") && files.has("oci-layout")
	hasArchive := files.has("manifest.json")
	switch {
	case l.format == "oci" && !hasLayout:
		return nil, fmt.Errorf("no OCI layout: index.json or oci-layout is missing")
	case l.format == "docker-archive" && !hasArchive:
		return nil, fmt.Errorf("no docker archive: manifest.json is missing")
	case hasLayout:
		return readLayout(files, l)
	case hasArchive:
		return readDocker(files, l)
	default:
		return nil, fmt.Errorf("neither an OCI layout (index.json, oci-layout) nor a docker archive (manifest.json)")
	}
}

// enter names the images in the store's index, all at once.
func (s *Store) enter(ctx context.Context, entries ...v1.Descriptor) ([]Image, error) {
	err := s.updateIndex(ctx, func(index *v1.IndexManifest) error {
		for _, e := range entries {
			addImage(index, e)
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	images := make([]Image, 0, len(entries))
	for _, e := range entries {
		img, err := s.describe(e)
		if err != nil {
			return nil, err
		}
		images = append(images, img)
	}
	return images, nil
}

// sourceName is the name of an image that the source names only in part.
func sourceName(path, tag string) (string, error) {
	abs, err := filepath.Abs(path)
	if err != nil {
		return "", err
	}
	name := nameFromFile(filepath.Base(abs))
	if tag != "" {
		name += ":" + tag
	}
	return localName(name)
}
