package cmd

import (
	"errors"
	"fmt"
	"strings"

	"github.com/spf13/cobra"

	"github.com/least-privilege/lpm/cmd/render"
	"github.com/least-privilege/lpm/manifest"
)

func newValidate(s *session) *cobra.Command {
	c := &cobra.Command{
		Use:   "validate FILE...",
		Short: "Check the files of manifests",
		Long: `Validate reads manifests in CUE, YAML or JSON (by the ending .cue, .yaml, .yml
or .json) and says of each whether it is valid, or in which line which field is
not, and what was expected there. Nothing is looked up: whether the image has
the files that a manifest names is not checked.`,
		Args: needs("FILE..."),
	}
	form := addOutput(c)
	c.RunE = func(_ *cobra.Command, args []string) error {
		results := make([]validation, 0, len(args))
		var failed []error
		for _, file := range args {
			v, err := validate(file)
			if err != nil {
				failed = append(failed, err)
			}
			results = append(results, v)
		}
		if *form == asJSON {
			if err := s.term.JSON(results); err != nil {
				return err
			}
			if len(failed) > 0 {
				return &exitError{code: exitFailed}
			}
			return nil
		}
		for _, v := range results {
			if v.Valid {
				s.term.Printf("%s: valid: %s\n", render.Escape(v.File), v.summary())
			}
		}
		return errors.Join(failed...)
	}
	return c
}

// validation is the verdict on one file.
type validation struct {
	File  string `json:"file"`
	Valid bool   `json:"valid"`
	// Digest is that of the canonical form, Permissions counts them by level.
	Digest      string         `json:"digest,omitempty"`
	Permissions map[string]int `json:"permissions,omitempty"`
	Errors      []string       `json:"errors,omitempty"`
}

func validate(file string) (validation, error) {
	v := validation{File: file}
	m, err := readManifest(file)
	if err == nil {
		v.Digest, err = m.Digest()
	}
	if err != nil {
		v.Errors = lines(err)
		return v, err
	}
	v.Valid = true
	v.Permissions = countLevels(m.Permissions())
	return v, nil
}

func (v validation) summary() string {
	return levelCounts(v.Permissions) + ", digest " + v.Digest
}

// countLevels counts permissions by the name of their level.
func countLevels(permissions []manifest.Permission) map[string]int {
	counts := map[string]int{}
	for _, p := range permissions {
		counts[p.Level.String()]++
	}
	return counts
}

// levelCounts says the counts in words, the worst first.
func levelCounts(counts map[string]int) string {
	var parts []string
	for _, level := range []manifest.Level{manifest.Special, manifest.Dangerous, manifest.Normal} {
		if n := counts[level.String()]; n > 0 {
			parts = append(parts, fmt.Sprintf("%d %s", n, level))
		}
	}
	if parts == nil {
		return "no permissions"
	}
	return strings.Join(parts, ", ") + " permissions"
}
