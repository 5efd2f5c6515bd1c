package supervise

import (
	"errors"
	"fmt"
	"os"
	"path"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"
)

// Path reads the path at addr and makes it absolute as the calling process
// would see it: relative to dirfd (or the working folder for AT_FDCWD), "."
// and ".." resolved, symbolic links followed inside the process's root except
// in the last element. The last element need not exist.
func (c *Call) Path(dirfd int32, addr uint64) (string, error) {
	text, err := c.String(addr, unix.PathMax)
	if err != nil {
		return "", err
	}
	if text == "" {
		return c.FD(dirfd)
	}
	if text, err = c.Absolute(dirfd, text); err != nil {
		return "", err
	}
	return c.real(text)
}

// Absolute puts the folder that a relative path starts from in front of it:
// the one of a descriptor, or the working folder for AT_FDCWD.
func (c *Call) Absolute(dirfd int32, text string) (string, error) {
	if path.IsAbs(text) {
		return text, nil
	}
	base, err := c.base(dirfd)
	return base + "/" + text, err
}

// Executable is [Call.Path] with the last element's symbolic links followed
// as well, as the kernel does before it executes a program.
func (c *Call) Executable(dirfd int32, addr uint64) (string, error) {
	name, err := c.Path(dirfd, addr)
	if err != nil {
		return "", err
	}
	return c.followed(name)
}

// followed follows the links of a path's last element, of which the others
// have none.
func (c *Call) followed(name string) (string, error) {
	var err error
	for range maxLinks {
		if err != nil {
			return "", err
		}
		target, isLink := c.readlink(name)
		if !isLink {
			return name, nil
		}
		if !path.IsAbs(target) {
			target = path.Dir(name) + "/" + target
		}
		name, err = c.real(target)
	}
	return "", unix.ELOOP
}

// Exists reports whether the calling process's root holds the path, which is
// as [Call.Path] returns it.
func (c *Call) Exists(name string) bool {
	fd, err := c.open(name, unix.O_PATH|unix.O_NOFOLLOW)
	if err != nil {
		return false
	}
	unix.Close(fd)
	return true
}

// base returns the folder that relative paths start from.
func (c *Call) base(dirfd int32) (string, error) {
	if dirfd != unix.AT_FDCWD {
		return c.FD(dirfd)
	}
	cwd, err := os.Readlink(c.proc("cwd"))
	if err = c.check(err); err != nil {
		return "", fmt.Errorf("looking up the working folder of the calling process: %w", err)
	}
	return cwd, nil
}

// real follows the links of all but the last element. Where the folder does
// not exist the path is cleaned as text.
func (c *Call) real(name string) (string, error) {
	// A trailing slash makes the last element a folder, which changes
	// nothing of its name.
	name = strings.TrimRight(name, "/")
	dir, last := path.Split(name)
	if last == "" || last == "." || last == ".." {
		dir, last = name, ""
	}
	fd, err := c.open(dir, unix.O_PATH|unix.O_DIRECTORY)
	if err != nil {
		return path.Clean("/" + name), c.check(nil)
	}
	defer unix.Close(fd)
	// The link names the path from the root of the container's mounts.
	real, err := os.Readlink("/proc/self/fd/" + strconv.Itoa(fd))
	if err = c.check(err); err != nil {
		return "", fmt.Errorf("resolving %q in the container: %w", name, err)
	}
	return path.Join(real, last), nil
}

func (c *Call) readlink(name string) (string, bool) {
	fd, err := c.open(name, unix.O_PATH|unix.O_NOFOLLOW)
	if err != nil {
		return "", false
	}
	defer unix.Close(fd)
	b := make([]byte, unix.PathMax)
	n, err := unix.Readlinkat(fd, "", b)
	if err != nil {
		return "", false
	}
	return string(b[:n]), true
}

// open opens a path as the calling process would resolve it, never leaving
// its root and never following the magic links of /proc.
func (c *Call) open(name string, flags uint64) (int, error) {
	return c.walk(name, flags, unix.RESOLVE_NO_MAGICLINKS)
}

// walk opens a path within the calling process's root, under the restrictions
// of openat2(2) that are given.
func (c *Call) walk(name string, flags, resolve uint64) (int, error) {
	if c.root == 0 {
		root, err := unix.Open(c.proc("root"), unix.O_PATH|unix.O_DIRECTORY|unix.O_CLOEXEC, 0)
		if err == nil {
			c.root = root
		}
		if err = c.check(err); err != nil {
			return -1, err
		}
	}
	if name == "" {
		name = "/"
	}
	how := unix.OpenHow{Flags: flags | unix.O_CLOEXEC, Resolve: unix.RESOLVE_IN_ROOT | resolve}
	for tries := 1; ; tries++ {
		fd, err := unix.Openat2(c.root, name, &how)
		// A path with ".." must be walked again when anything on the machine
		// was renamed or mounted meanwhile (openat2(2)).
		if errors.Is(err, unix.EAGAIN) && tries < maxWalks || errors.Is(err, unix.EINTR) {
			continue
		}
		return fd, err
	}
}

// maxWalks bounds how often a path is walked.
const maxWalks = 64

// UseRoot has paths resolved in the root that a descriptor stands for: that of
// the container, which the caller knows to be the process's too, and keeps open
// until the call is answered.
func (c *Call) UseRoot(root int) {
	if !c.lent {
		c.close()
	}
	c.root, c.lent = root, true
}
