package approval

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/least-privilege/lpm/manifest"
	"github.com/least-privilege/lpm/registry/artifact"
	"github.com/least-privilege/lpm/registry/reference"
)

// Ledger remembers, for each repository, what was decided about it, after
// the images themselves are gone: an update is shown as the difference to
// what was last approved. It is a folder; what it holds is verified again
// each time it is read, so it needs no protection of its own.
type Ledger struct {
	// Dir is made when something is recorded.
	Dir string
}

const (
	// entriesFolder sets the decisions on a repository apart from the
	// repositories below it; "@" is in no repository's name.
	entriesFolder = "@"
	// keptEntries is how many decisions on a repository are kept.
	keptEntries = 64
	maxEntry    = 2 * (MaxBundle + artifact.MaxPermissions)
)

// entry is one file of the ledger.
type entry struct {
	Bundle   []byte          `json:"bundle"`
	Manifest json.RawMessage `json:"manifest,omitempty"`
}

// ErrNoneApproved is returned by [Ledger.LastApproved].
var ErrNoneApproved = errors.New("nothing of this repository is approved")

// Record adds a signed decision, and for an approval the manifest it is about
// as it was asked for. Without a repository there is nothing to remember.
func (l Ledger) Record(a *Approval, bundle []byte, m *manifest.Manifest) error {
	if a.Repository == "" {
		return nil
	}
	e := entry{Bundle: bundle}
	if m != nil {
		canonical, err := m.Canonical()
		if err != nil {
			return fmt.Errorf("recording an approval: %w", err)
		}
		e.Manifest = canonical
	}
	content, err := json.Marshal(e)
	if err != nil {
		return fmt.Errorf("recording an approval: %w", err)
	}
	dir, err := l.dir(a.Repository)
	if err != nil {
		return fmt.Errorf("recording an approval: %w", err)
	}
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return fmt.Errorf("recording an approval: %w", err)
	}
	// Names sort by time, so the newest is found without reading the others.
	name := a.Time.UTC().Format("20060102T150405.000000000Z") + "-" + strings.ToLower(string(a.Decision)) + ".json"
	if err := replaceFile(filepath.Join(dir, name), content); err != nil {
		return fmt.Errorf("recording an approval: %w", err)
	}
	return l.trim(dir)
}

// LastApproved returns the newest approval of the repository that a trusted
// key signed and none revoked, with the manifest as it was asked for. It is
// what a new request is compared with, and no leave to run anything: expiry is
// not looked at. Without one the error is [ErrNoneApproved].
func (l Ledger) LastApproved(repository string, trust Trust) (*Approval, *manifest.Manifest, error) {
	dir, err := l.dir(repository)
	if err != nil {
		return nil, nil, err
	}
	names, err := entryNames(dir)
	if err != nil {
		return nil, nil, fmt.Errorf("reading the ledger: %w", err)
	}
	var revocations []*Approval
	for _, name := range slices.Backward(names) {
		a, m, err := readEntry(filepath.Join(dir, name), trust)
		switch {
		case err != nil:
			return nil, nil, fmt.Errorf("ledger entry %s: %w", name, err)
		case a == nil || a.Repository != repository:
		case a.Decision == Revoke:
			revocations = append(revocations, a)
		case !slices.ContainsFunc(revocations, func(r *Approval) bool { return r.ImageDigest == a.ImageDigest }):
			return a, m, nil
		}
	}
	return nil, nil, fmt.Errorf("%s: %w", repository, ErrNoneApproved)
}

// readEntry returns nil when the entry does not count: damaged, or signed by
// a key that is no longer trusted.
func readEntry(path string, trust Trust) (*Approval, *manifest.Manifest, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, nil, err
	}
	defer f.Close()
	content, err := io.ReadAll(io.LimitReader(f, maxEntry))
	if err != nil {
		return nil, nil, err
	}
	a, m, err := decodeEntry(content, trust)
	if err != nil {
		return nil, nil, nil //nolint:nilerr // what does not verify is as if it were not there
	}
	return a, m, nil
}

func decodeEntry(content []byte, trust Trust) (*Approval, *manifest.Manifest, error) {
	decoder := json.NewDecoder(bytes.NewReader(content))
	decoder.DisallowUnknownFields()
	var e entry
	if err := decoder.Decode(&e); err != nil {
		return nil, nil, fmt.Errorf("decoding: %w", err)
	}
	a, err := Verify(e.Bundle, trust)
	if err != nil {
		return nil, nil, err
	}
	if a.Decision == Revoke {
		return a, nil, nil
	}
	m, err := manifest.Parse(e.Manifest)
	if err != nil {
		return nil, nil, err
	}
	if _, err := a.apply(m); err != nil {
		return nil, nil, err
	}
	return a, m, nil
}

func (l Ledger) dir(repository string) (string, error) {
	full, err := reference.Repository(repository)
	if err != nil {
		return "", err
	}
	if full != repository {
		return "", fmt.Errorf("repository %q is not in its full form %q", repository, full)
	}
	return filepath.Join(l.Dir, filepath.FromSlash(full), entriesFolder), nil
}

// entryNames returns the names of the entries, oldest first.
func entryNames(dir string) ([]string, error) {
	files, err := os.ReadDir(dir)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	var names []string
	for _, file := range files {
		if strings.HasSuffix(file.Name(), ".json") {
			names = append(names, file.Name())
		}
	}
	slices.Sort(names)
	return names, nil
}

func (l Ledger) trim(dir string) error {
	names, err := entryNames(dir)
	if err != nil {
		return fmt.Errorf("trimming the ledger: %w", err)
	}
	for len(names) > keptEntries {
		if err := os.Remove(filepath.Join(dir, names[0])); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return fmt.Errorf("trimming the ledger: %w", err)
		}
		names = names[1:]
	}
	return nil
}

// replaceFile writes a file that is there whole or not at all.
func replaceFile(path string, content []byte) error {
	f, err := os.CreateTemp(filepath.Dir(path), ".new-*")
	if err != nil {
		return err
	}
	_, err = f.Write(content)
	err = errors.Join(err, f.Sync(), f.Close())
	if err == nil {
		err = os.Rename(f.Name(), path)
	}
	if err != nil {
		return errors.Join(err, os.Remove(f.Name()))
	}
	return nil
}
