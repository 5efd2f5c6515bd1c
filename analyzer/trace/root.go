package trace

import (
	"errors"
	"fmt"
	"path"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"

	"github.com/least-privilege/lpm/analyzer/record"
)

// root is a container's root folder. It is held open, so that paths can be
// resolved after the processes that have named them are gone.
type root struct {
	fd int
	// prefix is its path from the root of its mounts, which is where the
	// kernel's paths start: "" but for a container that was made by chroot(2).
	prefix string
}

// openRoot opens the root of a process.
func openRoot(pid int) (*root, error) {
	fd, err := unix.Open(fmt.Sprintf("/proc/%d/root", pid), unix.O_PATH|unix.O_DIRECTORY|unix.O_CLOEXEC, 0)
	if err != nil {
		return nil, fmt.Errorf("opening the root of process %d: %w", pid, err)
	}
	prefix, err := readlinkat(unix.AT_FDCWD, "/proc/self/fd/"+strconv.Itoa(fd))
	if err != nil {
		unix.Close(fd)
		return nil, fmt.Errorf("looking up the root of process %d: %w", pid, err)
	}
	return &root{fd, strings.TrimSuffix(prefix, "/")}, nil
}

// inside makes a path of the kernel's one of the container's.
func (r *root) inside(name string) string {
	if rest, ok := strings.CutPrefix(name, r.prefix); ok && r.prefix != "" && (rest == "" || rest[0] == '/') {
		return path.Clean("/" + rest)
	}
	return name
}

func (r *root) close() { unix.Close(r.fd) }

// maxLinks is how many links the kernel follows.
const maxLinks = 40

// resolve makes a path absolute that starts from a folder, with the links of
// its folders followed, and tells where its last element leads to. The
// container may have changed what is there since the call: nothing is granted
// by what is found.
func (r *root) resolve(base, name string) record.ObservedPath {
	p := record.ObservedPath{Name: r.real(base + "/" + name)}
	p.Target = p.Name
	for range maxLinks {
		target, err := r.readlink(p.Target)
		if err != nil {
			break
		}
		if !path.IsAbs(target) {
			target = path.Dir(p.Target) + "/" + target
		}
		p.Target = r.real(target)
	}
	return p
}

// real follows the links of all but the last element. Where the folder is not
// there the path is cleaned as text.
func (r *root) real(name string) string {
	name = strings.TrimRight(name, "/")
	dir, last := path.Split(name)
	if last == "." || last == ".." {
		dir, last = name, ""
	}
	fd, err := r.open(dir, unix.O_PATH|unix.O_DIRECTORY)
	if err != nil {
		return path.Clean("/" + name)
	}
	defer unix.Close(fd)
	real, err := readlinkat(unix.AT_FDCWD, "/proc/self/fd/"+strconv.Itoa(fd))
	if err != nil || strings.HasSuffix(real, " (deleted)") {
		return path.Clean("/" + name) // removed meanwhile
	}
	return path.Join(r.inside(real), last)
}

func (r *root) readlink(name string) (string, error) {
	fd, err := r.open(name, unix.O_PATH|unix.O_NOFOLLOW)
	if err != nil {
		return "", err
	}
	defer unix.Close(fd)
	return readlinkat(fd, "")
}

// open never leaves the root and never follows the magic links of /proc, for
// the container chooses the path.
func (r *root) open(name string, flags uint64) (int, error) {
	if name == "" {
		name = "/"
	}
	fd, err := -1, error(unix.EAGAIN)
	// The kernel gives up where the tree changes while ".." is followed.
	for try := 0; try < maxTries && errors.Is(err, unix.EAGAIN); try++ {
		fd, err = unix.Openat2(r.fd, name, &unix.OpenHow{
			Flags: flags | unix.O_CLOEXEC, Resolve: unix.RESOLVE_IN_ROOT | unix.RESOLVE_NO_MAGICLINKS,
		})
	}
	return fd, err
}

// maxTries bounds what a container can have the recorder do for one path.
const maxTries = 16

// isScript reports whether a regular file starts as a script does.
func (r *root) isScript(name string) bool {
	// The kind is looked at first: opening a FIFO blocks, a device may act.
	fd, err := r.open(name, unix.O_PATH)
	if err != nil {
		return false
	}
	defer unix.Close(fd)
	var st unix.Stat_t
	if unix.Fstat(fd, &st) != nil || st.Mode&unix.S_IFMT != unix.S_IFREG {
		return false
	}
	opened, err := unix.Open("/proc/self/fd/"+strconv.Itoa(fd), unix.O_RDONLY|unix.O_NONBLOCK|unix.O_CLOEXEC, 0)
	if err != nil {
		return false
	}
	defer unix.Close(opened)
	var head [2]byte
	n, err := unix.Pread(opened, head[:], 0)
	return err == nil && string(head[:n]) == "#!"
}

func readlinkat(fd int, name string) (string, error) {
	b := make([]byte, unix.PathMax)
	n, err := unix.Readlinkat(fd, name, b)
	if err != nil {
		return "", err
	}
	return string(b[:n]), nil
}
