package host

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"

	"github.com/least-privilege/lpm/enforcer/plan"
)

// ranges returns the caller's subordinate ids, none of either kind unless
// both kinds and the two programs that map them are there.
func (m machine) ranges() (uids, gids []plan.IDMap, err error) {
	for _, tool := range []string{"newuidmap", "newgidmap"} {
		if path, err := m.mapper(tool); err != nil || path == "" {
			return nil, nil, err
		}
	}
	names, err := m.names()
	if err != nil {
		return nil, nil, err
	}
	if uids, err = m.subordinate("/etc/subuid", names); err != nil {
		return nil, nil, err
	}
	if gids, err = m.subordinate("/etc/subgid", names); err != nil {
		return nil, nil, err
	}
	if len(uids) == 0 || len(gids) == 0 {
		return nil, nil, nil
	}
	return uids, gids, nil
}

// mapper returns the path of newuidmap or newgidmap, or "" where it is
// missing or could not map anything: it needs the set-user-id bit or a file
// capability, which a copy by hand or an image build loses.
func (m machine) mapper(tool string) (string, error) {
	for _, dir := range filepath.SplitList(m.path) {
		if !filepath.IsAbs(dir) {
			continue
		}
		path := m.file(filepath.Join(dir, tool))
		info, err := os.Stat(path)
		switch {
		case errors.Is(err, fs.ErrNotExist), errors.Is(err, fs.ErrPermission), errors.Is(err, unix.ENOTDIR):
			continue
		case err != nil:
			return "", fmt.Errorf("looking for %s: %w", tool, err)
		case !info.Mode().IsRegular() || info.Mode().Perm()&0o111 == 0:
			continue
		case info.Mode()&fs.ModeSetuid != 0:
			return path, nil
		}
		size, err := unix.Getxattr(path, "security.capability", nil)
		switch {
		case err == nil && size > 0:
			return path, nil
		case err != nil && !errors.Is(err, unix.ENODATA) && !errors.Is(err, unix.EOPNOTSUPP):
			return "", fmt.Errorf("reading the capabilities of %s: %w", path, err)
		}
		return "", nil
	}
	return "", nil
}

// names returns how /etc/subuid may name the caller: by number and by the
// names of the password file. Where that has none, as with users from a
// directory service, it is the login name that the environment tells; were it
// wrong, newuidmap would refuse.
func (m machine) names() ([]string, error) {
	id := strconv.FormatUint(uint64(m.uid), 10)
	content, err := m.read("/etc/passwd")
	if err != nil {
		return nil, err
	}
	names := []string{id}
	for line := range strings.Lines(content) {
		if f := strings.Split(line, ":"); len(f) >= 4 && f[2] == id && f[0] != "" {
			names = append(names, f[0])
		}
	}
	if len(names) == 1 && m.user != "" {
		names = append(names, m.user)
	}
	return names, nil
}

// subordinate returns the ranges of a file that belong to one of names, in
// their order.
func (m machine) subordinate(path string, names []string) ([]plan.IDMap, error) {
	content, err := m.read(path)
	if err != nil {
		return nil, err
	}
	var found []plan.IDMap
	for line := range strings.Lines(content) {
		if owner, ids, ok := parseSubordinate(line); ok && slices.Contains(names, owner) {
			found = append(found, ids)
		}
	}
	return found, nil
}

// parseSubordinate reads a line of the form that subuid(5) defines. Other
// lines are passed over, as newuidmap does; so are ranges that are empty or
// reach past the last id.
func parseSubordinate(line string) (owner string, ids plan.IDMap, ok bool) {
	fields := strings.Split(strings.TrimSuffix(line, "\n"), ":")
	if len(fields) != 3 || fields[0] == "" {
		return "", plan.IDMap{}, false
	}
	start, startErr := strconv.ParseUint(fields[1], 10, 32)
	size, sizeErr := strconv.ParseUint(fields[2], 10, 32)
	// The last number is no id: (uid_t)-1 means "none".
	if startErr != nil || sizeErr != nil || size == 0 || start+size > 1<<32-1 {
		return "", plan.IDMap{}, false
	}
	return fields[0], plan.IDMap{Host: uint32(start), Size: uint32(size)}, true
}
