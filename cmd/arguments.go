package cmd

import (
	"fmt"
	"path/filepath"
	"strings"

	"github.com/spf13/cobra"
)

// needs returns the check that exactly the named arguments are given. One in
// brackets can be left out, and a last name that ends in "..." stands for any
// number of them.
func needs(names ...string) cobra.PositionalArgs {
	var required []string
	most := len(names)
	for _, name := range names {
		optional := strings.HasPrefix(name, "[")
		name = strings.Trim(name, "[]")
		if strings.HasSuffix(name, "...") {
			most = -1
		}
		if !optional {
			required = append(required, strings.TrimSuffix(name, "..."))
		}
	}
	return func(_ *cobra.Command, args []string) error {
		switch {
		case len(args) < len(required):
			return fmt.Errorf("missing argument: %s", required[len(args)])
		case most >= 0 && len(args) > most:
			return fmt.Errorf("unexpected argument: %s", args[most])
		}
		return nil
	}
}

// isFile reports whether an argument that can be an image or a manifest's file
// is the latter. It goes by the name alone, so that it means the same
// everywhere: a file ends as its format wants it.
func isFile(arg string) bool {
	switch filepath.Ext(arg) {
	case ".cue", ".json", ".yaml", ".yml":
		return true
	}
	return false
}
