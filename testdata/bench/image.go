package main

import (
	"archive/tar"
	"bytes"
	"context"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"

	"github.com/google/go-containerregistry/pkg/name"
	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/mutate"
	"github.com/google/go-containerregistry/pkg/v1/tarball"
)

// image returns the path of a test image.
func (b *bench) image(name string) string {
	return filepath.Join(b.images, name+".tar")
}

// unpack lays a test image's tree out in a folder, owned by the caller, for
// the tools that start from one. It returns the folder.
func (b *bench) unpack(ctx context.Context, name string) (string, error) {
	img, err := tarball.ImageFromPath(b.image(name), nil)
	if err != nil {
		return "", fmt.Errorf("reading image %q: %w", name, err)
	}
	tree := filepath.Join(b.work, "tree-"+name)
	for _, folder := range []string{"proc", "tmp", "dev"} {
		if err := os.MkdirAll(filepath.Join(tree, folder), 0o755); err != nil {
			return "", err
		}
	}
	files := mutate.Extract(img)
	defer files.Close()
	tar := exec.CommandContext(ctx, "tar", "-x", "--no-same-owner", "-C", tree)
	tar.Stdin = files
	if out, err := tar.CombinedOutput(); err != nil {
		return "", fmt.Errorf("unpacking image %q: %w: %s", name, err, out)
	}
	return tree, nil
}

// withProgram writes a test image with one more program, which it starts with,
// as an image of another name.
func (b *bench) withProgram(image, program, as string) error {
	img, err := tarball.ImageFromPath(b.image(image), nil)
	if err != nil {
		return fmt.Errorf("reading image %q: %w", image, err)
	}
	content, err := os.ReadFile(program)
	if err != nil {
		return err
	}
	var archive bytes.Buffer
	w := tar.NewWriter(&archive)
	if err := w.WriteHeader(&tar.Header{Name: as, Mode: 0o755, Size: int64(len(content))}); err != nil {
		return err
	}
	if _, err := w.Write(content); err != nil {
		return err
	}
	if err := w.Close(); err != nil {
		return err
	}
	layer, err := tarball.LayerFromOpener(func() (io.ReadCloser, error) {
		return io.NopCloser(bytes.NewReader(archive.Bytes())), nil
	})
	if err != nil {
		return err
	}
	if img, err = mutate.AppendLayers(img, layer); err != nil {
		return err
	}
	file, err := img.ConfigFile()
	if err != nil {
		return err
	}
	config := file.Config
	config.Entrypoint, config.Cmd = []string{"/" + as}, nil
	if img, err = mutate.Config(img, config); err != nil {
		return err
	}
	return b.save(img, as)
}

func (b *bench) save(img v1.Image, as string) error {
	tag, err := name.NewTag(as + ":latest")
	if err != nil {
		return err
	}
	if err := tarball.WriteToFile(b.image(as), tag, img); err != nil {
		return fmt.Errorf("writing image %q: %w", as, err)
	}
	return nil
}
