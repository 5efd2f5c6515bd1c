package approval

import (
	"errors"
	"fmt"
	"slices"
	"unicode"

	"github.com/least-privilege/lpm/registry/reference"
)

const (
	maxIDs    = 1 << 16 // entries of one list of permissions
	maxID     = 1 << 20 // bytes of one permission's id: a condition is part of it
	maxPerson = 128     // bytes of a reviewer's name
)

// check holds the form of an approval, when it is signed and when it is read.
func (a *Approval) check() error {
	switch {
	case a.Decision != Approve && a.Decision != Revoke:
		return fmt.Errorf("decision %q is neither approve nor revoke", a.Decision)
	case a.Decision == Revoke && len(a.Granted)+len(a.Denied)+len(a.Accepted) > 0:
		return errors.New("a revocation grants nothing")
	case a.Time.IsZero():
		return errors.New("it has no time")
	case !a.Expires.IsZero() && !a.Expires.After(a.Time):
		return errors.New("it ends before it begins")
	case len(a.Reviewer.Name) > maxPerson || !isPlain(a.Reviewer.Name):
		return errors.New("the reviewer's name is too long or holds characters that cannot be shown")
	}
	if a.Repository != "" {
		full, err := reference.Repository(a.Repository)
		if err != nil {
			return err
		}
		if full != a.Repository {
			return fmt.Errorf("repository %q is not in its full form %q", a.Repository, full)
		}
	}
	for _, list := range [][]string{a.Granted, a.Denied, a.Accepted} {
		if err := checkIDs(list); err != nil {
			return err
		}
	}
	for _, id := range a.Denied {
		if _, both := slices.BinarySearch(a.Granted, id); both {
			return fmt.Errorf("permission %q is granted and denied", id)
		}
	}
	for _, id := range a.Accepted {
		if _, ok := slices.BinarySearch(a.Granted, id); !ok {
			return fmt.Errorf("permission %q is accepted but not granted", id)
		}
	}
	return nil
}

func checkIDs(list []string) error {
	if len(list) > maxIDs {
		return fmt.Errorf("%d permissions are too many", len(list))
	}
	for i, id := range list {
		if id == "" || len(id) > maxID {
			return fmt.Errorf("permission %.40q is empty or too long", id)
		}
		if i > 0 && list[i-1] >= id {
			return fmt.Errorf("permission %q is not in order", id)
		}
	}
	return nil
}

// isPlain tells text that a terminal shows as it is.
func isPlain(text string) bool {
	for _, r := range text {
		if r == unicode.ReplacementChar || !unicode.IsPrint(r) {
			return false
		}
	}
	return true
}
