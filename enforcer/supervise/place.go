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

// Place is what an absolute path of a call leads to.
type Place struct {
	// Path is the path free of links and dots, as [Call.Path] or
	// [Call.Executable] returns it.
	Path string
	// Stat describes what is there, unless Err says why it could not be
	// looked at: ENOENT where nothing is.
	Stat unix.Stat_t
	Err  error
}

// Find resolves an absolute path as the calling process would, and looks at
// what is there; follow tells whether a link in the last element is followed.
// The error is of the calling process, or of a path with too many links.
func (c *Call) Find(name string, follow bool) (Place, error) {
	flags := uint64(unix.O_PATH)
	if !follow {
		flags |= unix.O_NOFOLLOW
	}
	if p, plain := c.findPlain(name, flags); plain {
		return p, nil
	}
	fd, err := c.open(name, flags)
	if err == nil {
		defer unix.Close(fd)
		return c.placeOf(fd, name)
	}
	switch {
	case errors.Is(err, unix.EAGAIN), errors.Is(err, unix.EMFILE), errors.Is(err, unix.ENFILE), errors.Is(err, unix.ENOMEM):
		// The supervisor could not look now, which says nothing of the path.
		return Place{}, fmt.Errorf("looking at %q in the container: %w", name, c.check(err))
	}
	p := Place{Err: err}
	if p.Path, err = c.real(name); err == nil && follow {
		p.Path, err = c.followed(p.Path)
	}
	return p, err
}

// findPlain is Find for a path that no link is on, as are most, so that it is the
// place's path already; of one that leads nowhere it is too, since the kernel
// would have come to the link before. Of a process with a root of its own the
// place has another path.
func (c *Call) findPlain(name string, flags uint64) (Place, bool) {
	if !c.lent || path.Clean(name) != name {
		return Place{}, false
	}
	p := Place{Path: name}
	fd, err := c.walk(name, flags, unix.RESOLVE_NO_SYMLINKS)
	switch {
	case err == nil:
		defer unix.Close(fd)
		p.Err = unix.Fstat(fd, &p.Stat)
		return p, true
	case errors.Is(err, unix.ENOENT), errors.Is(err, unix.ENOTDIR):
		p.Err = err
		return p, true
	}
	return p, false
}

// placeOf describes an open file.
func (c *Call) placeOf(fd int, name string) (Place, error) {
	var p Place
	p.Err = unix.Fstat(fd, &p.Stat)
	link, err := os.Readlink("/proc/self/fd/" + strconv.Itoa(fd))
	if err = c.check(err); err != nil {
		return p, fmt.Errorf("resolving %q in the container: %w", name, err)
	}
	if p.Path = link; p.Stat.Nlink == 0 {
		p.Path = strings.TrimSuffix(link, " (deleted)")
	}
	return p, nil
}
