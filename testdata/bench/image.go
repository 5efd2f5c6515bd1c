package main

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"

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
