package approval

import (
	"context"

	v1 "github.com/google/go-containerregistry/pkg/v1"

	"github.com/least-privilege/lpm/registry/artifact"
)

// failing is a target of which what refers to images cannot be read.
type failing struct {
	artifact.Target
	err error
}

func (f failing) Manifest(context.Context, v1.Hash) ([]byte, error) { return nil, f.err }

func (f failing) Blob(context.Context, v1.Descriptor) ([]byte, error) { return nil, f.err }
