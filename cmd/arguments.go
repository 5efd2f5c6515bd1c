package cmd

import (
	"fmt"
	"path/filepath"
	"strings"

	"github.com/spf13/cobra"
)

// needs returns the check that exactly the named arguments are given. A last
// name that ends in "..." stands for one or more.
func needs(names ...string) cobra.PositionalArgs {
	most := len(names)
	if most > 0 && strings.HasSuffix(names[most-1], "...") {
		most = -1
	}
	return func(_ *cobra.Command, args []string) error {
		switch {
		case len(args) < len(names):
			return fmt.Errorf("missing argument: %s", strings.TrimSuffix(names[len(args)], "..."))
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
