package cmd

import (
	"context"
	"fmt"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/spf13/cobra"

	"github.com/least-privilege/lpm/registry/artifact"
	"github.com/least-privilege/lpm/registry/reference"
)

// publishFlags say whether a decision goes to a registry too.
type publishFlags struct {
	publish, insecure bool
}

func addPublish(c *cobra.Command) *publishFlags {
	f := new(publishFlags)
	c.Flags().BoolVar(&f.publish, "publish", false, "write the decision to the registry that IMAGE names, too")
	c.Flags().BoolVar(&f.insecure, "insecure", false, "allow plain HTTP and certificates that nobody vouches for")
	return f
}

// place returns the registry that a decision on the image is to be written to,
// once it has proved that the image is there; nil where none is wanted.
func (f *publishFlags) place(ctx context.Context, text string, image v1.Hash) (artifact.Target, error) {
	if !f.publish {
		return nil, nil
	}
	ref, err := reference.Parse(text)
	if err != nil {
		return nil, err
	}
	if ref.Kind != reference.Named || !ref.Explicit {
		return nil, usagef("such as registry.example/team/app:1", "--publish needs an image that is named with its registry, and %s is not", text)
	}
	remote, err := artifact.NewRemote(ref, artifact.RemoteOptions{Insecure: f.insecure})
	if err != nil {
		return nil, err
	}
	if _, err := remote.Manifest(ctx, image); err != nil {
		return nil, fmt.Errorf("looking for %s in its registry: %w", text, err)
	}
	return remote, nil
}
