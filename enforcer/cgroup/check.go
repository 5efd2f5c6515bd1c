package cgroup

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"github.com/least-privilege/lpm/manifest"
)

// ErrNotSet is in the chain where a group that somebody else made has not the
// limits that it was to have.
var ErrNotSet = errors.New("limit is not in force")

// Check reads back whether the group at path, which somebody else made, has
// the limits of r, or lower ones: the kernel rounds bytes down to pages.
func Check(path string, r manifest.Resources) error {
	limits, err := limitsOf(r)
	if err != nil {
		return &Error{Doing: "limiting resources", Err: err}
	}
	for _, l := range limits {
		if err := l.check(path); err != nil {
			return err
		}
	}
	return nil
}

func (l limit) check(path string) error {
	content, err := os.ReadFile(filepath.Join(path, l.file))
	switch {
	case errors.Is(err, fs.ErrNotExist) && l.absent != nil && l.absent(path):
		return nil
	case err != nil:
		return &Error{Doing: "reading back the limit of " + l.controller, Err: err}
	}
	if got := strings.TrimSpace(string(content)); !atMost(got, l.value) {
		return &Error{
			Doing: "reading back the limit of " + l.controller,
			Err:   fmt.Errorf("%w: %s holds %q, not %q", ErrNotSet, filepath.Join(path, l.file), got, l.value),
		}
	}
	return nil
}

// atMost compares two contents of a control file: a number, behind "default"
// for weights, or a quota and the period that it is of.
func atMost(got, want string) bool {
	got = strings.TrimPrefix(got, "default ")
	a, aPeriod, ok := share(got)
	b, bPeriod, wanted := share(want)
	return ok && wanted && a*bPeriod <= b*aPeriod
}

func share(content string) (n, of int64, ok bool) {
	number, period, quota := strings.Cut(content, " ")
	n, err := strconv.ParseInt(number, 10, 64)
	if err != nil || n < 0 {
		return 0, 0, false
	}
	if !quota {
		return n, 1, true
	}
	of, err = strconv.ParseInt(period, 10, 64)
	return n, of, err == nil && of > 0
}
