package supervise

import (
	"encoding/binary"
	"path"
	"slices"
	"strings"

	"golang.org/x/sys/unix"

	"github.com/least-privilege/lpm/manifest"
)

// use is what a call would do with a path.
type use struct {
	dirfd int32
	addr  uint64
	// follow says that a link at the end of the path is followed.
	follow bool
	does   effect
}

// effect is what becomes of the file at a path.
type effect int

const (
	reads    effect = iota // it is read
	writes                 // its content or attributes are changed
	creates                // it is made, where it is not there
	replaces               // its folder's entry for it is changed
)

// usesOf returns what a granted call would do with paths; nothing where it
// only looks at them, or cannot be read.
func usesOf(c *Call, name string) []use {
	const here = int32(unix.AT_FDCWD)
	a := c.Args
	one := func(dirfd int32, addr uint64, follow bool, does effect) []use {
		return []use{{dirfd, addr, follow, does}}
	}
	switch name {
	case "open":
		return opening(here, a[0], a[1])
	case "openat":
		return opening(int32(a[0]), a[1], a[2])
	case "openat2": // struct open_how begins with the flags
		if how, err := c.Bytes(a[2], 8); err == nil {
			return opening(int32(a[0]), a[1], binary.NativeEndian.Uint64(how))
		}
	case "creat":
		return opening(here, a[0], unix.O_CREAT|unix.O_WRONLY|unix.O_TRUNC)
	case "mkdir", "mknod":
		return one(here, a[0], false, creates)
	case "mkdirat", "mknodat":
		return one(int32(a[0]), a[1], false, creates)
	case "symlink", "link":
		return one(here, a[1], false, creates)
	case "symlinkat":
		return one(int32(a[1]), a[2], false, creates)
	case "linkat":
		return one(int32(a[2]), a[3], false, creates)
	case "unlink", "rmdir":
		return one(here, a[0], false, replaces)
	case "unlinkat":
		return one(int32(a[0]), a[1], false, replaces)
	case "rename":
		return []use{{here, a[0], false, replaces}, {here, a[1], false, replaces}}
	case "renameat", "renameat2":
		return []use{{int32(a[0]), a[1], false, replaces}, {int32(a[2]), a[3], false, replaces}}
	case "chmod", "chown", "truncate", "utime", "utimes":
		return one(here, a[0], true, writes)
	case "lchown":
		return one(here, a[0], false, writes)
	case "fchmodat", "futimesat":
		return one(int32(a[0]), a[1], true, writes)
	case "fchmodat2", "utimensat":
		return one(int32(a[0]), a[1], a[3]&unix.AT_SYMLINK_NOFOLLOW == 0, writes)
	case "fchownat":
		return one(int32(a[0]), a[1], a[4]&unix.AT_SYMLINK_NOFOLLOW == 0, writes)
	}
	return nil
}

// opening is the use of an open call by its flags.
func opening(dirfd int32, addr, flags uint64) []use {
	u := use{dirfd: dirfd, addr: addr, follow: flags&unix.O_NOFOLLOW == 0}
	switch {
	case flags&unix.O_PATH != 0:
		return nil
	case flags&unix.O_TMPFILE == unix.O_TMPFILE:
		u.does = writes
	case flags&(unix.O_CREAT|unix.O_EXCL) == unix.O_CREAT|unix.O_EXCL:
		u.does, u.follow = creates, false
	case flags&unix.O_ACCMODE != unix.O_RDONLY || flags&unix.O_TRUNC != 0:
		u.does = writes
		if flags&unix.O_CREAT != 0 {
			return []use{u, {dirfd, addr, u.follow, creates}}
		}
	case flags&unix.O_CREAT != 0:
		return []use{u, {dirfd, addr, u.follow, creates}}
	}
	return []use{u}
}

// file tells how the kernel will refuse a granted call, as far as that follows
// from the manifest, and returns nil where it will not. It decides nothing: the
// call goes on, and the program can have changed the path by then.
func (e *Enforcer) file(c *Call, info manifest.SyscallInfo) *refusal {
	for _, u := range usesOf(c, info.Name) {
		if u.addr == 0 { // utimensat and its like: the descriptor itself
			continue
		}
		resolve := c.Path
		if u.follow {
			resolve = c.Executable
		}
		name, err := resolve(u.dirfd, u.addr)
		if err != nil || !path.IsAbs(name) {
			continue // the kernel meets the same fault, or it is no path
		}
		if r := e.use(c, name, u.does); r != nil {
			r.seen, r.fixed = true, fixedFiles
			return r
		}
	}
	return nil
}

// use tells how one use of a path will be refused.
func (e *Enforcer) use(c *Call, name string, does effect) *refusal {
	at, place := c.look(name), name
	switch does {
	case reads:
		switch {
		case !at.exists && e.hidden[name]:
			return &refusal{subject: subject{KindRead, name}, errno: unix.ENOENT, grant: func() Grant {
				return Grant{Program: &manifest.Program{Path: name}}
			}}
		case at.exists && !at.special && !e.mayRead(name):
			return &refusal{subject: subject{KindRead, name}, errno: unix.EACCES, grant: grantOf(name != "/", func() Grant {
				return Grant{Readable: &manifest.ReadablePath{Path: name}}
			})}
		}
		return nil
	case writes:
		if !at.exists || at.special {
			return nil
		}
		if !at.folder {
			place = path.Dir(name)
		}
	case creates:
		if at.exists {
			return nil
		}
		place = path.Dir(name)
		at = c.look(place)
	case replaces:
		place = path.Dir(name)
		at = c.look(place)
	}
	if !at.exists || !at.readOnly {
		return nil
	}
	return &refusal{subject: subject{KindWrite, name}, errno: unix.EROFS, grant: e.writing(place)}
}

// mayRead reports whether Landlock lets a file be read.
func (e *Enforcer) mayRead(name string) bool {
	places := e.rules.Files.Readable
	return len(places) == 0 || slices.ContainsFunc(places, func(p string) bool { return within(p, name) })
}

// writing is what a manifest would say for a folder to be writable, and nil
// where none can say it.
func (e *Enforcer) writing(folder string) func() Grant {
	for _, m := range e.rules.Files.Mounts {
		if within(m.Path, folder) {
			return func() Grant { return Grant{Mount: &m} }
		}
	}
	own := folder == "/" || within("/proc", folder) || within("/sys", folder) || within("/dev", folder)
	return grantOf(!own, func() Grant { return Grant{Writable: &manifest.WritablePath{Path: folder}} })
}

func grantOf(possible bool, grant func() Grant) func() Grant {
	if !possible {
		return nil
	}
	return grant
}

// within reports whether a clean path is base or below it.
func within(base, p string) bool {
	return p == base || strings.HasPrefix(p, strings.TrimSuffix(base, "/")+"/")
}

// sight is what can be seen of a path of the container.
type sight struct {
	exists, folder bool
	// special files are written to whatever their mount is.
	special bool
	// readOnly says that nothing can be changed on the mount.
	readOnly bool
}

// look looks at a path, which is as [Call.Path] returns it, without following
// a link at its end.
func (c *Call) look(name string) sight {
	fd, err := c.open(name, unix.O_PATH|unix.O_NOFOLLOW)
	if err != nil {
		return sight{}
	}
	defer unix.Close(fd)
	var stat unix.Stat_t
	var fs unix.Statfs_t
	if unix.Fstat(fd, &stat) != nil || unix.Fstatfs(fd, &fs) != nil {
		return sight{}
	}
	kind := stat.Mode & unix.S_IFMT
	return sight{
		exists: true, folder: kind == unix.S_IFDIR, special: kind != unix.S_IFREG && kind != unix.S_IFDIR && kind != unix.S_IFLNK,
		readOnly: fs.Flags&unix.ST_RDONLY != 0,
	}
}
