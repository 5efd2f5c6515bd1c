package rootfs

import (
	"bytes"
	"fmt"
	"strconv"

	"github.com/moby/sys/user"

	"github.com/least-privilege/lpm/enforcer/plan"
)

// UserError says why a user cannot be found in an image.
type UserError struct {
	User string
	Err  error
}

func (e *UserError) Error() string {
	return fmt.Sprintf("looking up the user %q in the image: %v", e.User, e.Err)
}

// Unwrap returns the reason.
func (e *UserError) Unwrap() error { return e.Err }

// Hint tells the way out.
func (e *UserError) Hint() string {
	return "lpm run --user takes another: a name that the image has, or numbers, as in 1000:1000"
}

// maxAccounts bounds an image's lists of users and groups, in bytes.
const maxAccounts = 1 << 20

// user resolves a user by the image's own lists.
func (t tree) user(s *plan.Survey, spec string) error {
	passwd, err := t.accounts("/etc/passwd", 2, 3)
	if err != nil {
		return &UserError{spec, err}
	}
	group, err := t.accounts("/etc/group", 2)
	if err != nil {
		return &UserError{spec, err}
	}
	u, err := user.GetExecUser(spec, &user.ExecUser{Home: "/"}, bytes.NewReader(passwd), bytes.NewReader(group))
	if err != nil {
		return &UserError{spec, err}
	}
	s.UID, s.GID, s.Home = uint32(u.Uid), uint32(u.Gid), u.Home
	for _, g := range u.Sgids {
		s.Groups = append(s.Groups, uint32(g))
	}
	if s.Home == "" {
		s.Home = "/"
	}
	return nil
}

// accounts reads a list of users or groups, without the lines that are none,
// as the C library does: those whose fields with the given indexes, from 0, are
// no ids. The parser would take such an id for 0, which is root's.
func (t tree) accounts(name string, ids ...int) ([]byte, error) {
	list, err := t.read(name, maxAccounts+1)
	if err != nil {
		return nil, err
	}
	// Half a line could be somebody else's.
	if len(list) > maxAccounts {
		return nil, fmt.Errorf("%s is larger than %d bytes", name, maxAccounts)
	}
	var kept []byte
	for line := range bytes.Lines(list) {
		if hasIDs(line, ids) {
			kept = append(kept, line...)
		}
	}
	return kept, nil
}

func hasIDs(line []byte, ids []int) bool {
	fields := bytes.Split(bytes.TrimSpace(line), []byte(":"))
	for _, i := range ids {
		if i >= len(fields) {
			return false
		}
		// Up to 2^31-1, as container engines have it.
		if _, err := strconv.ParseUint(string(fields[i]), 10, 31); err != nil {
			return false
		}
	}
	return true
}
