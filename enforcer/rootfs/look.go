package rootfs

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"

	"golang.org/x/sys/unix"

	"github.com/least-privilege/lpm/enforcer/plan"
)

// Request says what to look for in a tree.
type Request struct {
	// Tree is the image's unpacked tree.
	Tree string `json:"tree"`
	// Cache is a file for what stays the same from one look to the next.
	Cache string `json:"cache"`
	// User is who the program runs as, as in an image's configuration:
	// "user", "uid", "user:group" or "uid:gid". Empty is root.
	User string `json:"user,omitempty"`
	// Program is the command's first word, Env and Dir where it is looked
	// for.
	Program string   `json:"program"`
	Env     []string `json:"env,omitempty"`
	Dir     string   `json:"dir,omitempty"`
	// Paths are the paths to describe.
	Paths []string `json:"paths,omitempty"`
}

// Look surveys the tree. Where its files have several owners it must run in
// the user namespace that maps them. A program that cannot be started comes
// back as a [*ProgramError].
func Look(ctx context.Context, r Request) (plan.Survey, error) {
	t := tree(r.Tree)
	s := plan.Survey{Paths: map[string]plan.PathFact{}}
	if err := t.user(&s, r.User); err != nil {
		return s, err
	}
	if err := t.program(&s, r); err != nil {
		return s, err
	}
	var err error
	if s.Executables, err = cachedExecutables(ctx, t, r.Cache); err != nil {
		return s, err
	}
	for _, p := range r.Paths {
		if s.Paths[p], err = t.describe(p); err != nil {
			return s, err
		}
	}
	return s, nil
}

func (t tree) describe(p string) (plan.PathFact, error) {
	real, err := t.real(p)
	if err != nil {
		return plan.PathFact{}, err
	}
	f := plan.PathFact{Real: real}
	var stat unix.Stat_t
	err = unix.Lstat(t.host(real), &stat)
	if errors.Is(err, fs.ErrNotExist) || errors.Is(err, unix.ENOTDIR) {
		return f, nil
	}
	if err != nil {
		return f, fmt.Errorf("looking at %q in the image: %w", p, err)
	}
	f.Exists = true
	f.Dir = stat.Mode&unix.S_IFMT == unix.S_IFDIR
	f.Mode, f.UID, f.GID = stat.Mode&0o7777, stat.Uid, stat.Gid
	if f.Dir {
		dir, err := os.Open(t.host(real))
		if err != nil {
			return f, fmt.Errorf("looking at %q in the image: %w", p, err)
		}
		defer dir.Close()
		names, _ := dir.Readdirnames(1)
		f.Empty = len(names) == 0
	}
	return f, nil
}
