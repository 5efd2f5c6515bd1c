// Package schema is the definition of manifests, policies and rules of trust in CUE.
//
// It reads what people write, JSON, YAML or CUE, and tells them in which line
// they wrote what was not expected. What comes from a registry is never
// evaluated: it is JSON, decoded by package manifest and then only compared
// with the definition.
package schema

import (
	_ "embed"
	"fmt"

	"cuelang.org/go/cue"
	"cuelang.org/go/cue/cuecontext"
)

//go:generate go run ../testdata/reference ../docs/reference.md

//go:embed manifest.cue
var manifestSource string

//go:embed policy.cue
var policySource string

// Source returns the CUE text that defines a manifest.
func Source() string { return manifestSource }

// PolicySource returns the CUE text that defines a policy. It uses definitions
// of [Source]; together they are one CUE package.
func PolicySource() string { return policySource }

// definition returns a definition such as "#Manifest" in a context of its own.
// Compiling takes a few milliseconds, which only those pay who need it.
func definition(ctx *cue.Context, name string) (cue.Value, error) {
	files, err := sources()
	if err != nil {
		return cue.Value{}, err
	}
	all := ctx.BuildInstance(files)
	if err := all.Err(); err != nil {
		return cue.Value{}, fmt.Errorf("compiling the schema: %w", err)
	}
	def := all.LookupPath(cue.ParsePath(name))
	if err := def.Err(); err != nil {
		return cue.Value{}, fmt.Errorf("compiling the schema: %w", err)
	}
	return def, nil
}

// newContext returns a CUE context. It loads nothing but CUE's own packages.
func newContext() *cue.Context { return cuecontext.New() }
