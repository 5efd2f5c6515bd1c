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

	v1 "github.com/google/go-containerregistry/pkg/v1"

	"github.com/least-privilege/lpm/manifest"
	"github.com/least-privilege/lpm/registry/artifact"
	"github.com/least-privilege/lpm/registry/reference"
)

// Ledger remembers, for each repository, what was decided about it, after
// the images themselves are gone: an update is shown as the difference to
// what was last approved, and what was revoked stays so when a registry has
// forgotten it. It is a folder to which is only added. What it holds is
// verified again each time it is read, so it needs no protection of its own.
type Ledger struct {
	// Dir is made when something is recorded.
	Dir string
}

const (
	// entriesFolder sets the decisions on a repository apart from the
	// repositories below it; "@" is in no repository's name.
	entriesFolder = "@"
	maxEntry      = 2 * (MaxBundle + artifact.MaxPermissions)
	entrySuffix   = ".json"
	// nameDigits of a digest are part of an entry's name.
	nameDigits = 16
)

// entry is one file of the ledger.
type entry struct {
	Bundle []byte `json:"bundle"`
	// Manifest is left out where it is not known.
	Manifest json.RawMessage `json:"manifest,omitempty"`
}

// ErrNoneApproved is returned by [Ledger.LastApproved].
var ErrNoneApproved = errors.New("nothing of this repository is approved")

// Record adds a signed decision on an image of the repository, and for an
// approval the manifest it is about as it was asked for, where that is at hand.
// What is recorded already is not recorded again.
func (l Ledger) Record(repository string, a *Approval, bundle []byte, m *manifest.Manifest) error {
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
	dir, err := l.dir(repository)
	if err != nil {
		return fmt.Errorf("recording an approval: %w", err)
	}
	path := filepath.Join(dir, entryName(a))
	if old, err := os.ReadFile(path); err == nil && (bytes.Equal(old, content) || m == nil) {
		return nil
	}
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return fmt.Errorf("recording an approval: %w", err)
	}
	if err := replaceFile(path, content); err != nil {
		return fmt.Errorf("recording an approval: %w", err)
	}
	return nil
}

// entryName begins with the time, so that names sort by it, and holds the
// image, so that what is of others need not be read.
func entryName(a *Approval) string {
	return fmt.Sprintf("%s-%s-%.*s-%.*s%s", a.Time.UTC().Format("20060102T150405.000000000Z"),
		strings.ToLower(string(a.Decision)), nameDigits, a.ImageDigest.Hex, nameDigits, a.Reviewer.Key, entrySuffix)
}

// Past is the approval that was in force last.
type Past struct {
	// Approval is the newest of those that decided.
	Approval *Approval
	// Asked is the manifest as it was asked for, Granted without what was
	// denied.
	Asked, Granted *manifest.Manifest
}

// LastApproved returns the newest approval of the repository that as many
// trusted keys signed as are required, and none revoked. It is what a new
// request is compared with, and no leave to run anything: expiry is not looked
// at. Without one the error is [ErrNoneApproved].
func (l Ledger) LastApproved(repository string, trust Trust) (*Past, error) {
	names, dir, err := l.names(repository)
	if err != nil {
		return nil, fmt.Errorf("reading the ledger: %w", err)
	}
	quorum := trust.For(repository)
	type subject struct{ image, manifest v1.Hash }
	approvals := map[subject][]Statement{}
	revoked := map[v1.Hash]bool{}
	for _, name := range slices.Backward(names) {
		content, err := readEntry(filepath.Join(dir, name))
		if err != nil {
			return nil, fmt.Errorf("reading the ledger: %w", err)
		}
		a, m, err := decodeEntry(content, quorum)
		switch {
		case err != nil || a.Repository != repository:
			// What does not verify is as if it were not there.
		case a.Decision == Revoke:
			revoked[a.ImageDigest] = true
		case m != nil && !revoked[a.ImageDigest]:
			of := subject{a.ImageDigest, a.ManifestDigest}
			if by := approvals[of]; !slices.ContainsFunc(by, func(s Statement) bool { return s.Approval.Reviewer.Key == a.Reviewer.Key }) {
				approvals[of] = append(by, Statement{Approval: a})
			}
			if picked, short := quorum.pick(approvals[of]); short == nil {
				return past(picked, m)
			}
		}
	}
	return nil, fmt.Errorf("%s: %w", repository, ErrNoneApproved)
}

func past(deciding []Statement, asked *manifest.Manifest) (*Past, error) {
	p := &Past{Approval: deciding[0].Approval, Asked: asked}
	var denied []string
	for _, s := range deciding {
		denied = append(denied, s.Approval.Denied...)
	}
	var err error
	if p.Granted, err = asked.Without(sorted(denied)...); err != nil {
		return nil, fmt.Errorf("what was last approved: %w", err)
	}
	return p, nil
}

// Statements returns what is remembered of an image, oldest first: what keys
// of the quorum signed. It is meant for [Effective].
func (l Ledger) Statements(repository string, image v1.Hash, quorum Quorum) ([]Statement, error) {
	names, dir, err := l.names(repository)
	if err != nil {
		return nil, fmt.Errorf("reading the ledger: %w", err)
	}
	var found []Statement
	for _, name := range names {
		// Entries of older versions have no image in their names.
		if parts := strings.Split(name, "-"); len(parts) > 2 && parts[2] != image.Hex[:nameDigits] {
			continue
		}
		content, err := readEntry(filepath.Join(dir, name))
		if err != nil {
			return nil, fmt.Errorf("reading the ledger: %w", err)
		}
		e, err := parseEntry(content)
		if err != nil {
			continue
		}
		if a, err := verifyFor(image, e.Bundle, quorum); err == nil {
			found = append(found, Statement{Bundle: e.Bundle, Approval: a})
		}
	}
	sortByTime(found)
	return found, nil
}

func readEntry(path string) ([]byte, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	return io.ReadAll(io.LimitReader(f, maxEntry))
}

func parseEntry(content []byte) (entry, error) {
	decoder := json.NewDecoder(bytes.NewReader(content))
	decoder.DisallowUnknownFields()
	var e entry
	if err := decoder.Decode(&e); err != nil {
		return e, fmt.Errorf("decoding: %w", err)
	}
	return e, nil
}

// decodeEntry returns an entry's decision, and the manifest where it has one.
func decodeEntry(content []byte, quorum Quorum) (*Approval, *manifest.Manifest, error) {
	e, err := parseEntry(content)
	if err != nil {
		return nil, nil, err
	}
	a, err := Verify(e.Bundle, quorum)
	if err != nil {
		return nil, nil, err
	}
	if a.Decision == Revoke || e.Manifest == nil {
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

// dir returns the folder of a repository's decisions; empty is that of images
// without a name.
func (l Ledger) dir(repository string) (string, error) {
	if repository == "" {
		return filepath.Join(l.Dir, entriesFolder), nil
	}
	full, err := reference.Repository(repository)
	if err != nil {
		return "", err
	}
	if full != repository {
		return "", fmt.Errorf("repository %q is not in its full form %q", repository, full)
	}
	return filepath.Join(l.Dir, filepath.FromSlash(full), entriesFolder), nil
}

// names returns the names of a repository's entries, oldest first, and their
// folder.
func (l Ledger) names(repository string) (names []string, dir string, err error) {
	if dir, err = l.dir(repository); err != nil {
		return nil, "", err
	}
	files, err := os.ReadDir(dir)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, dir, nil
	}
	if err != nil {
		return nil, "", err
	}
	for _, file := range files {
		if strings.HasSuffix(file.Name(), entrySuffix) && !strings.HasPrefix(file.Name(), ".") {
			names = append(names, file.Name())
		}
	}
	slices.Sort(names)
	return names, dir, nil
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
