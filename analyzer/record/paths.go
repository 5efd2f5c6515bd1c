package record

import (
	"errors"
	"fmt"
	"path"
	"strings"

	"golang.org/x/sys/unix"

	"github.com/least-privilege/lpm/analyzer/evidence"
	"github.com/least-privilege/lpm/enforcer/supervise"
)

// presence is whether a path must exist for a call to do anything.
type presence int

const (
	either presence = iota
	exists
	absent
)

// pathUse is what a call does with one path.
type pathUse struct {
	dirfd int32
	addr  uint64
	// access is empty for calls that change nothing.
	access evidence.Access
	needs  presence
	follow bool   // the last element's link is followed
	empty  bool   // AT_EMPTY_PATH: no path names the descriptor itself
	bits   uint32 // of the file's mode that are asked for
	owner  bool   // only the owner may
}

// usesOf lists the paths that a call takes, in the order the kernel looks at
// them; none for calls without. A path that must exist and does not ends the
// list. The open and execve families are elsewhere.
func usesOf(name string, a [6]uint64) []pathUse {
	const here = int32(unix.AT_FDCWD)
	change := func(dirfd int32, addr uint64, access evidence.Access, needs presence) pathUse {
		return pathUse{dirfd: dirfd, addr: addr, access: access, needs: needs}
	}
	look := func(dirfd int32, addr uint64, follow bool) []pathUse {
		return []pathUse{{dirfd: dirfd, addr: addr, follow: follow}}
	}
	attribute := func(dirfd int32, addr uint64, follow bool) []pathUse {
		return []pathUse{{dirfd: dirfd, addr: addr, access: evidence.Metadata, needs: exists, follow: follow, owner: true}}
	}
	chown := func(dirfd int32, addr uint64, follow bool) []pathUse {
		return []pathUse{{dirfd: dirfd, addr: addr, access: evidence.Metadata, needs: exists, follow: follow}}
	}
	follows := func(flags uint64) bool { return flags&unix.AT_SYMLINK_NOFOLLOW == 0 }

	switch name {
	case "mkdir":
		return []pathUse{change(here, a[0], evidence.MakeDir, absent)}
	case "mkdirat":
		return []pathUse{change(int32(a[0]), a[1], evidence.MakeDir, absent)}
	case "mknod":
		return []pathUse{change(here, a[0], evidence.Create, absent)}
	case "mknodat":
		return []pathUse{change(int32(a[0]), a[1], evidence.Create, absent)}
	case "symlink":
		return []pathUse{change(here, a[1], evidence.Create, absent)}
	case "symlinkat":
		return []pathUse{change(int32(a[1]), a[2], evidence.Create, absent)}
	case "link":
		return []pathUse{{dirfd: here, addr: a[0], needs: exists}, change(here, a[1], evidence.Create, absent)}
	case "linkat":
		return []pathUse{{dirfd: int32(a[0]), addr: a[1], needs: exists}, change(int32(a[2]), a[3], evidence.Create, absent)}
	case "unlink", "rmdir":
		return []pathUse{change(here, a[0], evidence.Remove, exists)}
	case "unlinkat":
		return []pathUse{change(int32(a[0]), a[1], evidence.Remove, exists)}
	case "rename":
		return []pathUse{change(here, a[0], evidence.Rename, exists), change(here, a[1], evidence.Rename, either)}
	case "renameat", "renameat2":
		return []pathUse{change(int32(a[0]), a[1], evidence.Rename, exists), change(int32(a[2]), a[3], evidence.Rename, either)}
	case "truncate":
		return []pathUse{{dirfd: here, addr: a[0], access: evidence.Write, needs: exists, follow: true, bits: 2}}

	case "chmod":
		return attribute(here, a[0], true)
	case "fchmodat":
		return attribute(int32(a[0]), a[1], true)
	case "fchmodat2":
		return attribute(int32(a[0]), a[1], follows(a[3]))
	case "utime", "utimes":
		return attribute(here, a[0], true)
	case "futimesat":
		return attribute(int32(a[0]), a[1], true)
	case "utimensat":
		return attribute(int32(a[0]), a[1], follows(a[3]))
	case "setxattr", "removexattr":
		return attribute(here, a[0], true)
	case "lsetxattr", "lremovexattr":
		return attribute(here, a[0], false)
	case "chown":
		return chown(here, a[0], true)
	case "lchown":
		return chown(here, a[0], false)
	case "fchownat":
		return chown(int32(a[0]), a[1], follows(a[4]))

	case "stat", "access", "statfs", "chdir", "chroot", "getxattr", "listxattr":
		return look(here, a[0], true)
	case "lstat", "readlink", "lgetxattr", "llistxattr":
		return look(here, a[0], false)
	case "newfstatat":
		return []pathUse{{dirfd: int32(a[0]), addr: a[1], follow: follows(a[3]), empty: a[3]&unix.AT_EMPTY_PATH != 0}}
	case "statx":
		return []pathUse{{dirfd: int32(a[0]), addr: a[1], follow: follows(a[2]), empty: a[2]&unix.AT_EMPTY_PATH != 0}}
	case "faccessat":
		return look(int32(a[0]), a[1], true)
	case "faccessat2":
		return look(int32(a[0]), a[1], follows(a[3]))
	case "readlinkat":
		return look(int32(a[0]), a[1], false)
	case "inotify_add_watch":
		return []pathUse{{dirfd: here, addr: a[1], follow: true, bits: 4}}
	}
	return nil
}

// notePaths notes what a call does with the paths it takes.
func (r *Recorder) notePaths(c call) error {
	switch c.name {
	case "fchmod", "fchown", "fsetxattr", "fremovexattr":
		return r.noteDescriptor(c, int32(c.args[0]))
	}
	list := usesOf(c.name, c.args)
	if len(list) == 1 && list[0].access == "" && list[0].addr != 0 {
		return r.noteLook(c, list[0])
	}
	places := make([]supervise.Place, len(list))
	for i, u := range list {
		if u.addr == 0 { // utimensat(fd, NULL) is futimens, as is statx(fd, NULL) fstat
			if u.access == "" {
				return nil
			}
			return r.noteDescriptor(c, u.dirfd)
		}
		p, err := r.find(c, u)
		if err != nil || !path.IsAbs(p.Path) {
			return err
		}
		missing := errors.Is(p.Err, unix.ENOENT) || errors.Is(p.Err, unix.ENOTDIR)
		if u.needs != either && missing == (u.needs == exists) && (p.Err == nil || missing) {
			// It will fail; what was searched on the way still counts.
			return r.checkAccess(c, p.Path, 0, false)
		}
		places[i] = p
	}
	for i, u := range list {
		if err := r.noteUse(c, u, places[i]); err != nil {
			return err
		}
	}
	return nil
}

// find looks at what one of a call's paths leads to. A descriptor without a
// path has a place that is not absolute.
func (r *Recorder) find(c call, u pathUse) (supervise.Place, error) {
	name, err := r.absolute(c, u.dirfd, u.addr)
	if err != nil || !path.IsAbs(name) {
		return supervise.Place{}, err
	}
	return r.look(c, name, u.follow)
}

// noteLook notes what a look at a path takes.
func (r *Recorder) noteLook(c call, u pathUse) error {
	text, err := c.String(u.addr, unix.PathMax)
	if err != nil || text == "" && u.empty {
		return err // an empty path is how C libraries make fstat; nothing is searched for it
	}
	name, err := r.absoluteOf(c, u.dirfd, text)
	if err != nil || !path.IsAbs(name) {
		return err
	}
	var flags uint64
	if !u.follow {
		flags = unix.AT_SYMLINK_NOFOLLOW
	}
	use, repeats := r.useOf(c, name, flags)
	if repeats && r.again(use, c) {
		return nil
	}
	r.facts.collect()
	p, err := r.look(c, name, u.follow)
	if err == nil && path.IsAbs(p.Path) {
		err = r.checkAccess(c, p.Path, u.bits, false)
	}
	if repeats && err == nil && p.Err == nil {
		r.keepUse(c, use, p.Path)
	}
	r.facts.watched()
	return err
}

// noteUse notes a change to what a path leads to.
func (r *Recorder) noteUse(c call, u pathUse, p supervise.Place) error {
	name := p.Path
	if u.access == "" {
		return r.checkAccess(c, name, u.bits, false)
	}
	r.facts.file(name, u.access, r.at(c))
	if changesAccess(c.name) {
		r.forgetChecks(c)
	}
	switch u.access {
	case evidence.MakeDir, evidence.Create, evidence.Remove, evidence.Rename:
		r.folders.forgetBelow(name)
	}
	switch u.access {
	case evidence.Metadata:
		if err := r.checkAccess(c, name, 0, false); err != nil {
			return err
		}
		if u.owner {
			return r.checkOwner(c, name)
		}
		return r.checkChown(c, name)
	case evidence.Write:
		return r.checkAccess(c, name, u.bits, false)
	case evidence.Remove, evidence.Rename:
		if err := r.checkSticky(c, name); err != nil {
			return err
		}
		if p.Err == nil {
			r.forgetPath(c, name, fileOf(p).kind(), u.access == evidence.Rename)
		}
	}
	return r.checkAccess(c, name, 0, true)
}

// noteDescriptor notes a change to the file behind a descriptor.
func (r *Recorder) noteDescriptor(c call, fd int32) error {
	name, err := c.FD(fd)
	if err != nil {
		return err
	}
	if !path.IsAbs(name) {
		return nil
	}
	r.facts.file(name, evidence.Metadata, r.at(c))
	if changesAccess(c.name) {
		r.forgetChecks(c)
	}
	if c.name == "fchown" {
		return r.checkChown(c, name)
	}
	return r.checkOwner(c, name)
}

// changesAccess tells the calls after which another user may do with a file what
// it could not before, or the reverse.
func changesAccess(name string) bool {
	return strings.Contains(name, "chmod") || strings.Contains(name, "chown") || strings.Contains(name, "xattr")
}

// describe names a call for a capability's example.
func describe(c call, name string) string { return fmt.Sprintf("%s of %s", c.name, name) }
