// Command reference writes the reference of manifests and policies into the
// file that is its argument.
package main

import (
	"fmt"
	"os"

	"github.com/least-privilege/lpm/schema"
)

func main() {
	if len(os.Args) != 2 {
		fmt.Fprintln(os.Stderr, "usage: reference FILE")
		os.Exit(2)
	}
	text, err := schema.Reference()
	if err == nil {
		err = os.WriteFile(os.Args[1], []byte(text), 0o644)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "reference:", err)
		os.Exit(1)
	}
}
