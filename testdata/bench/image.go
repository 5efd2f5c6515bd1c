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

// approve takes a test image through the whole loop, so that it can run.
func (b *bench) approve(ctx context.Context, name string) error {
	proposal := filepath.Join(b.work, name+".cue")
	steps := [][]string{
		{"load", b.image(name)},
		{"analyze", "-o", proposal, name},
		{"attach", name, proposal},
		{"key", "new"},
		{"approve", "--yes", name},
	}
	for _, args := range steps {
		if out, err := exec.CommandContext(ctx, b.lpm, args...).CombinedOutput(); err != nil {
			return fmt.Errorf("lpm %s: %w: %s", args[0], err, out)
		}
	}
	return nil
}
