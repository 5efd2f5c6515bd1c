package record

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"

	"github.com/least-privilege/lpm/enforcer/supervise"
)

// world is what a recorder looks up beside the call itself.
type world interface {
	// enter returns the root of a thread, which is the container's first, and
	// takes hold of what it needs in there before the container can change it;
	// leave lets that go.
	enter(tid int) (*os.File, error)
	leave()
	// credentials returns those of a thread.
	credentials(tid int) (credentials, error)
	// head reads the first bytes of a regular file in a thread's root.
	head(tid int, name string, n int) ([]byte, error)
	// signalled returns the credentials of the processes that kill(2) with
	// the given pid argument, of the thread's pid namespace, reaches.
	signalled(tid, pid int) ([]credentials, error)
}

// credentials are a thread's, in ids as the supervisor sees them.
type credentials struct {
	// uids and gids are the real, effective, saved and file system ids.
	uids, gids [4]uint32
	groups     []uint32
	effective  uint64 // capabilities, by bit
	// pid and group are those of its process, in its own pid namespace.
	pid, group int
}

func (c credentials) fsuid() uint32    { return c.uids[3] }
func (c credentials) has(bit int) bool { return c.effective&(1<<bit) != 0 }

// identity is who is asked for when the kernel decides about a file.
type identity struct {
	fsuid    uint32
	groups   uint64 // a hash of all of them
	override bool   // it has CAP_DAC_OVERRIDE
}

func (c credentials) identity() identity {
	const offset, prime = 14695981039346656037, 1099511628211 // FNV-1a
	groups := uint64(offset)
	for _, g := range append(c.gids[3:4:4], c.groups...) {
		groups = (groups ^ uint64(g)) * prime
	}
	return identity{c.fsuid(), groups, c.has(unix.CAP_DAC_OVERRIDE)}
}

func (c credentials) inGroup(gid uint32) bool {
	return c.gids[3] == gid || slices.Contains(c.groups, gid)
}

// file is what decides who may do what with a file.
type file struct {
	mode     uint32 // as in stat(2), type included
	uid, gid uint32
}

func fileOf(p supervise.Place) file {
	return file{mode: p.Stat.Mode, uid: p.Stat.Uid, gid: p.Stat.Gid}
}

func (f file) kind() uint32   { return f.mode & unix.S_IFMT }
func (f file) isDevice() bool { return f.kind() == unix.S_IFCHR || f.kind() == unix.S_IFBLK }

// procfs looks everything up in /proc of the supervisor's machine.
type procfs struct {
	// own is the /proc that the container starts with, which speaks in the
	// numbers of its pid namespace. What a process of it later has at that
	// path can be anything.
	own *os.File
}

func (p *procfs) enter(tid int) (*os.File, error) {
	fd, err := unix.Open(fmt.Sprintf("/proc/%d/root", tid), unix.O_PATH|unix.O_DIRECTORY|unix.O_CLOEXEC, 0)
	if err != nil {
		return nil, fmt.Errorf("opening the container's root: %w", err)
	}
	p.own = ownProc(fd)
	return os.NewFile(uintptr(fd), "the container's root"), nil
}

// ownProc opens the /proc of a root, and returns nil where there is none.
func ownProc(root int) *os.File {
	fd, err := unix.Openat2(root, "proc", &unix.OpenHow{
		Flags:   unix.O_RDONLY | unix.O_DIRECTORY | unix.O_CLOEXEC,
		Resolve: unix.RESOLVE_IN_ROOT | unix.RESOLVE_NO_SYMLINKS,
	})
	if err != nil {
		return nil
	}
	var st unix.Statfs_t
	if err := unix.Fstatfs(fd, &st); err != nil || st.Type != unix.PROC_SUPER_MAGIC {
		unix.Close(fd)
		return nil
	}
	return os.NewFile(uintptr(fd), "the container's /proc")
}

func (p *procfs) leave() { p.own.Close() } // of nil it is an error, and nothing else

func (*procfs) credentials(tid int) (credentials, error) {
	status, err := readProc("/proc/" + strconv.Itoa(tid) + "/status")
	if err != nil {
		return credentials{}, fmt.Errorf("reading the credentials of thread %d: %w", tid, err)
	}
	return parseStatus(status)
}

// maxProc bounds what is read of one file of /proc: the longest is the status
// of a process in NGROUPS_MAX groups, of at most ten digits each.
const maxProc = 1 << 20

// readProc reads a file of /proc, which is never waited for. os.ReadFile would
// ask the runtime's poller about it, for twice the time.
func readProc(name string) ([]byte, error) {
	fd, err := unix.Open(name, unix.O_RDONLY|unix.O_CLOEXEC, 0)
	if err != nil {
		return nil, &os.PathError{Op: "open", Path: name, Err: err}
	}
	defer unix.Close(fd)
	return readAll(fd, name)
}

// read reads a file of the container's /proc, and of nothing that was mounted
// in there.
func (p *procfs) read(name string) ([]byte, error) {
	fd, err := unix.Openat2(int(p.own.Fd()), name, &unix.OpenHow{
		Flags:   unix.O_RDONLY | unix.O_CLOEXEC,
		Resolve: unix.RESOLVE_BENEATH | unix.RESOLVE_NO_XDEV | unix.RESOLVE_NO_SYMLINKS,
	})
	if err != nil {
		return nil, &os.PathError{Op: "open", Path: name, Err: err}
	}
	defer unix.Close(fd)
	return readAll(fd, name)
}

func readAll(fd int, name string) ([]byte, error) {
	b := make([]byte, 0, 2048)
	for {
		if len(b) > maxProc {
			return nil, &os.PathError{Op: "read", Path: name, Err: unix.EFBIG}
		}
		n, err := unix.Read(fd, b[len(b):cap(b)])
		switch {
		case errors.Is(err, unix.EINTR):
			continue
		case err != nil:
			return nil, &os.PathError{Op: "read", Path: name, Err: err}
		case n == 0:
			return b, nil
		}
		if b = b[:len(b)+n]; len(b) == cap(b) {
			b = slices.Grow(b, len(b))
		}
	}
}

// parseStatus reads /proc/PID/status (proc_pid_status(5)).
func parseStatus(status []byte) (credentials, error) {
	c := credentials{pid: innermost(status, "NStgid"), group: innermost(status, "NSpgid")}
	found := 0
	for line := range bytes.Lines(status) {
		key, rest, _ := strings.Cut(string(line), ":")
		values := strings.Fields(rest)
		var err error
		switch key {
		case "Uid":
			err = parseIDs(values, c.uids[:])
		case "Gid":
			err = parseIDs(values, c.gids[:])
		case "Groups":
			c.groups = make([]uint32, len(values))
			err = parseIDs(values, c.groups)
		case "CapEff":
			if len(values) != 1 {
				err = errors.New("not one number")
			} else {
				c.effective, err = strconv.ParseUint(values[0], 16, 64)
			}
		default:
			continue
		}
		if err != nil {
			return c, fmt.Errorf("reading %s of a process's status: %w", key, err)
		}
		found++
	}
	if found != 4 {
		return c, fmt.Errorf("reading a process's status: %d of 4 lines found", found)
	}
	return c, nil
}

func parseIDs(values []string, ids []uint32) error {
	if len(values) != len(ids) {
		return fmt.Errorf("%d ids, not %d", len(values), len(ids))
	}
	for i, v := range values {
		n, err := strconv.ParseUint(v, 10, 32)
		if err != nil {
			return err
		}
		ids[i] = uint32(n)
	}
	return nil
}

func (*procfs) stat(tid int, name string) (file, error) {
	fd, err := openInRoot(tid, name, unix.O_PATH|unix.O_NOFOLLOW)
	if err != nil {
		return file{}, err
	}
	defer unix.Close(fd)
	var st unix.Stat_t
	if err := unix.Fstat(fd, &st); err != nil {
		return file{}, fmt.Errorf("describing %q in the container: %w", name, err)
	}
	return file{mode: st.Mode, uid: st.Uid, gid: st.Gid}, nil
}

func (p *procfs) head(tid int, name string, n int) ([]byte, error) {
	// The type is looked at before the file is opened, so that a FIFO does
	// not block and a device is not touched; O_NONBLOCK is for the race.
	if f, err := p.stat(tid, name); err != nil {
		return nil, err
	} else if f.kind() != unix.S_IFREG {
		return nil, fmt.Errorf("reading %q in the container: not a regular file", name)
	}
	fd, err := openInRoot(tid, name, unix.O_RDONLY|unix.O_NONBLOCK|unix.O_NOCTTY|unix.O_NOFOLLOW)
	if err != nil {
		return nil, err
	}
	defer unix.Close(fd)
	b := make([]byte, n)
	got, err := unix.Pread(fd, b, 0)
	if err != nil {
		return nil, fmt.Errorf("reading %q in the container: %w", name, err)
	}
	return b[:got], nil
}

// openInRoot opens a path as the thread would resolve it, without leaving its
// root and without the magic links of /proc, for the container chooses the
// path and can change what is there.
func openInRoot(tid int, name string, flags uint64) (int, error) {
	root, err := unix.Open(fmt.Sprintf("/proc/%d/root", tid), unix.O_PATH|unix.O_DIRECTORY|unix.O_CLOEXEC, 0)
	if err != nil {
		return -1, fmt.Errorf("opening the root of thread %d: %w", tid, err)
	}
	defer unix.Close(root)
	fd, err := unix.Openat2(root, name, &unix.OpenHow{
		Flags:   flags | unix.O_CLOEXEC,
		Resolve: unix.RESOLVE_IN_ROOT | unix.RESOLVE_NO_MAGICLINKS,
	})
	if err != nil {
		return -1, fmt.Errorf("opening %q in the container: %w", name, err)
	}
	return fd, nil
}

// maxSignalled bounds how many processes one kill(2) is looked up for.
const maxSignalled = 1024

func (p *procfs) signalled(tid, pid int) ([]credentials, error) {
	if p.own == nil {
		return nil, errors.New("looking up the receivers of a signal: the container has no /proc")
	}
	if pid > 0 {
		c, err := p.statusOf(strconv.Itoa(pid))
		return []credentials{c}, err
	}
	group := -pid
	if pid == 0 {
		status, err := readProc("/proc/" + strconv.Itoa(tid) + "/status")
		if err != nil {
			return nil, fmt.Errorf("reading the process group of thread %d: %w", tid, err)
		}
		group = innermost(status, "NSpgid")
	}
	names, err := p.processes()
	if err != nil {
		return nil, fmt.Errorf("listing the container's processes: %w", err)
	}
	var all []credentials
	for _, name := range names {
		if n, err := strconv.Atoi(name); err != nil || n == 1 && pid == -1 || len(all) == maxSignalled {
			continue
		}
		stat, err := p.read(name + "/stat")
		if err != nil || pid != -1 && processGroup(stat) != group {
			continue // it ended meanwhile, or is of another group
		}
		if c, err := p.statusOf(name); err == nil {
			all = append(all, c)
		}
	}
	return all, nil
}

// processes lists what is in the container's /proc, processes among it.
func (p *procfs) processes() ([]string, error) {
	if _, err := p.own.Seek(0, io.SeekStart); err != nil {
		return nil, err
	}
	return p.own.Readdirnames(4 * maxSignalled)
}

// statusOf returns the credentials of a process of the container.
func (p *procfs) statusOf(name string) (credentials, error) {
	status, err := p.read(name + "/status")
	if err != nil {
		return credentials{}, fmt.Errorf("reading the credentials of process %s of the container: %w", name, err)
	}
	return parseStatus(status)
}

// innermost returns the last number of a line of /proc/PID/status that has
// one for each pid namespace, outermost first.
func innermost(status []byte, key string) int {
	for line := range bytes.Lines(status) {
		if rest, ok := strings.CutPrefix(string(line), key+":"); ok {
			values := strings.Fields(rest)
			if len(values) > 0 {
				n, _ := strconv.Atoi(values[len(values)-1])
				return n
			}
		}
	}
	return 0
}

// processGroup returns the process group of a /proc/PID/stat line. The name
// in parentheses is the process's to choose, so fields count from its end.
func processGroup(stat []byte) int {
	end := bytes.LastIndexByte(stat, ')')
	fields := strings.Fields(string(stat[end+1:]))
	if len(fields) < 3 {
		return 0
	}
	n, _ := strconv.Atoi(fields[2])
	return n
}
