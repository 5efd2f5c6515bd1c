package record

import (
	"errors"
	"path"
	"time"

	"golang.org/x/sys/unix"

	"github.com/least-privilege/lpm/enforcer/supervise"
)

// openFolders are folders of the container that are held open for a moment after
// something was looked for in them. What else is looked for there is then one
// step away, instead of a walk from the root: programs read folders file by file.
//
// A folder is here by a path without links. The recorder hears of whatever
// makes that path lead elsewhere before it is done, and others than the
// container, who share a volume with it, are noticed when the moment is over.
type openFolders struct {
	open map[string]openFolder
}

type openFolder struct {
	fd    int
	until time.Time
}

// maxFolders bounds the descriptors that are held.
const maxFolders = 128

// find looks at what an absolute path leads to in a root. It returns false where
// that cannot be told without walking the path.
func (f *openFolders) find(root int, name string, follow bool, now time.Time) (supervise.Place, bool) {
	if path.Clean(name) != name || name == "/" || below("/proc", name) {
		return supervise.Place{}, false
	}
	dir, last := path.Split(name)
	fd, ok := f.folder(root, path.Clean(dir), now)
	if !ok {
		return supervise.Place{}, false
	}
	p := supervise.Place{Path: name}
	err := unix.Fstatat(fd, last, &p.Stat, unix.AT_SYMLINK_NOFOLLOW|unix.AT_NO_AUTOMOUNT)
	if errors.Is(err, unix.ENOENT) {
		p.Err = err
		return p, true
	}
	return p, err == nil && !(follow && fileOf(p).kind() == unix.S_IFLNK)
}

// folder returns an open folder, by a path without dots.
func (f *openFolders) folder(root int, name string, now time.Time) (int, bool) {
	if held, ok := f.open[name]; ok && now.Before(held.until) {
		return held.fd, true
	}
	f.forget(name)
	fd, err := unix.Openat2(root, name, &unix.OpenHow{
		Flags:   unix.O_PATH | unix.O_DIRECTORY | unix.O_CLOEXEC,
		Resolve: unix.RESOLVE_IN_ROOT | unix.RESOLVE_NO_SYMLINKS,
	})
	if err != nil {
		return -1, false
	}
	if len(f.open) == maxFolders {
		f.close()
	}
	if f.open == nil {
		f.open = map[string]openFolder{}
	}
	f.open[name] = openFolder{fd, now.Add(fresh)}
	return fd, true
}

// forget has a folder walked to anew.
func (f *openFolders) forget(name string) {
	if held, ok := f.open[name]; ok {
		unix.Close(held.fd)
		delete(f.open, name)
	}
}

// forgetBelow is forget for a path, and for all below it.
func (f *openFolders) forgetBelow(name string) {
	for held := range f.open {
		if below(name, held) {
			f.forget(held)
		}
	}
}

// close lets all folders go.
func (f *openFolders) close() { f.forgetBelow("/") }
