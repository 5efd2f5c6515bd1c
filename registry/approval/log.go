package approval

import (
	"errors"
	"fmt"
	"io/fs"
	"path/filepath"
	"slices"
	"strings"

	"github.com/least-privilege/lpm/manifest"
)

// Logged is a decision that the ledger remembers.
type Logged struct {
	// Approval is the decision. Where Err is not nil, its signature was not
	// verified; nil where it cannot even be read.
	Approval *Approval
	// Asked is the manifest that it is about, where that is known.
	Asked *manifest.Manifest
	// Repository is where the ledger has it.
	Repository string
	// Err says why the decision does not count here: its key is not trusted,
	// or the entry is damaged.
	Err error
}

// Log returns the decisions on a repository, oldest first, and those that do
// not count too.
func (l Ledger) Log(repository string, trust Trust) ([]Logged, error) {
	names, dir, err := l.names(repository)
	if err != nil {
		return nil, fmt.Errorf("reading the ledger: %w", err)
	}
	quorum := trust.For(repository)
	var all []Logged
	for _, name := range names {
		content, err := readEntry(filepath.Join(dir, name))
		if err != nil {
			return nil, fmt.Errorf("reading the ledger: %w", err)
		}
		one := Logged{Repository: repository}
		one.Approval, one.Asked, one.Err = decodeEntry(content, quorum)
		if one.Err != nil {
			one.Approval = claimed(content)
		}
		all = append(all, one)
	}
	return all, nil
}

// claimed returns what an entry says of itself, of which nothing is proved.
func claimed(content []byte) *Approval {
	e, err := parseEntry(content)
	if err != nil {
		return nil
	}
	signed, err := decodeBundle(e.Bundle)
	if err != nil {
		return nil
	}
	a, err := decodeStatement(signed.payload)
	if err != nil {
		return nil
	}
	return a
}

// Repositories returns the full names of the repositories of which the ledger
// has decisions, sorted; an empty one stands for images without a name.
func (l Ledger) Repositories() ([]string, error) {
	var all []string
	err := filepath.WalkDir(l.Dir, func(path string, entry fs.DirEntry, err error) error {
		if errors.Is(err, fs.ErrNotExist) && path == l.Dir {
			return fs.SkipAll
		}
		if err != nil {
			return err
		}
		if !entry.IsDir() || entry.Name() != entriesFolder {
			return nil
		}
		repository, err := filepath.Rel(l.Dir, filepath.Dir(path))
		if err != nil {
			return err
		}
		all = append(all, strings.TrimPrefix(filepath.ToSlash(repository), "."))
		return fs.SkipDir
	})
	if err != nil {
		return nil, fmt.Errorf("reading the ledger: %w", err)
	}
	slices.Sort(all)
	return all, nil
}
