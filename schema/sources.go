package schema

import (
	"fmt"

	"cuelang.org/go/cue/build"
	"cuelang.org/go/cue/parser"
)

// sources returns the schema's files as one CUE package.
func sources() (*build.Instance, error) {
	instance := build.NewContext().NewInstance("", nil)
	for name, text := range map[string]string{"manifest.cue": manifestSource, "policy.cue": policySource, "trust.cue": trustSource} {
		file, err := parser.ParseFile(name, text, parser.ParseComments)
		if err != nil {
			return nil, fmt.Errorf("parsing the schema: %w", err)
		}
		if err := instance.AddSyntax(file); err != nil {
			return nil, fmt.Errorf("parsing the schema: %w", err)
		}
	}
	instance.PkgName = "lpm"
	if err := instance.Complete(); err != nil {
		return nil, fmt.Errorf("resolving the schema: %w", err)
	}
	return instance, nil
}
