package record

import (
	"encoding/binary"
	"fmt"
	"os"
	"path"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/least-privilege/lpm/analyzer/evidence"
	"github.com/least-privilege/lpm/enforcer/plan"
	"github.com/least-privilege/lpm/enforcer/supervise"
	"github.com/least-privilege/lpm/manifest"
	"golang.org/x/sys/unix"
)

var _ process = (*supervise.Call)(nil)

// container is a process and its surroundings as a test wants them.
type container struct {
	tid     int
	program string
	memory  map[uint64][]byte
	fds     map[int32]string
	sockets map[int32]int
	links   map[string]string
	gone    bool
	fault   error // of all reads of memory
	untaken error // of all sockets
	found   int   // how often a path was looked up
	asked   int   // how often for credentials

	cred    credentials
	files   map[string]file
	heads   map[string]string
	targets map[int][]credentials
	others  map[int]credentials
}

func (c *container) Program() string { return c.program }
func (c *container) PID() int        { return 1 }
func (c *container) Alive() bool     { return !c.gone }

func (c *container) Bytes(addr uint64, n int) ([]byte, error) {
	if c.fault != nil {
		return nil, c.fault
	}
	b, ok := c.memory[addr]
	if !ok {
		return nil, unix.EFAULT
	}
	return append(slices.Clone(b), make([]byte, max(0, n-len(b)))...)[:n], nil
}

func (c *container) String(addr uint64, max int) (string, error) {
	b, err := c.Bytes(addr, len(c.memory[addr]))
	return string(b), err
}

func (c *container) Path(dirfd int32, addr uint64) (string, error) {
	text, err := c.String(addr, unix.PathMax)
	switch {
	case err != nil:
		return "", err
	case text == "":
		return c.FD(dirfd)
	}
	name, err := c.Absolute(dirfd, text)
	return path.Clean(name), err
}

func (c *container) Executable(dirfd int32, addr uint64) (string, error) {
	name, err := c.Path(dirfd, addr)
	if target, ok := c.links[name]; ok {
		name = target
	}
	return name, err
}

func (c *container) FD(fd int32) (string, error) {
	if link, ok := c.fds[fd]; ok {
		return link, nil
	}
	return "", unix.EBADF
}

func (c *container) TakeFD(fd int32) (int, error) {
	if c.untaken != nil {
		return -1, c.untaken
	}
	s, ok := c.sockets[fd]
	if !ok {
		return -1, unix.EBADF
	}
	return unix.Dup(s)
}

func (c *container) LetGo(fd int) { unix.Close(fd) }

func (c *container) UseRoot(int) {}

func (c *container) enter(int) (*os.File, error) { return nil, nil }

func (c *container) leave() {}

func (c *container) credentials(tid int) (credentials, error) {
	c.asked++
	if other, ok := c.others[tid]; ok {
		return other, nil
	}
	return c.cred, nil
}

func (c *container) Absolute(dirfd int32, text string) (string, error) {
	switch {
	case path.IsAbs(text):
		return text, nil
	case dirfd == unix.AT_FDCWD:
		return path.Join("/work", text), nil
	}
	dir, err := c.FD(dirfd)
	return path.Join(dir, text), err
}

func (c *container) Find(name string, follow bool) (supervise.Place, error) {
	c.found++
	p := supervise.Place{Path: path.Clean(name), Err: unix.ENOENT}
	if target, ok := c.links[p.Path]; ok && follow {
		p.Path = target
	}
	if f, ok := c.files[p.Path]; ok {
		p.Err = nil
		p.Stat.Mode, p.Stat.Uid, p.Stat.Gid, p.Stat.Nlink = f.mode, f.uid, f.gid, 1
	}
	return p, nil
}

func (c *container) head(_ int, name string, n int) ([]byte, error) {
	h := c.heads[name]
	return []byte(h[:min(n, len(h))]), nil
}

func (c *container) signalled(_, pid int) ([]credentials, error) {
	if t, ok := c.targets[pid]; ok {
		return t, nil
	}
	return nil, unix.ESRCH
}

const (
	dir     = unix.S_IFDIR | 0o755
	regular = unix.S_IFREG | 0o644
	program = unix.S_IFREG | 0o755
)

// Ids that the supervisor sees: the container's root, and its user 33.
const (
	hostRoot = 100000
	hostWWW  = 100033
)

func as(uid, gid uint32, capabilities ...int) credentials {
	c := credentials{uids: [4]uint32{uid, uid, uid, uid}, gids: [4]uint32{gid, gid, gid, gid}}
	for _, bit := range capabilities {
		c.effective |= 1 << bit
	}
	return c
}

// dockerLike is the capabilities that a recorded container has.
var dockerLike = []int{
	unix.CAP_CHOWN, unix.CAP_DAC_OVERRIDE, unix.CAP_FOWNER, unix.CAP_FSETID, unix.CAP_KILL, unix.CAP_NET_BIND_SERVICE,
	unix.CAP_NET_RAW, unix.CAP_SETGID, unix.CAP_SETUID, unix.CAP_SETPCAP, unix.CAP_SYS_CHROOT,
}

func newContainer() *container {
	root := func(mode uint32) file { return file{mode, hostRoot, hostRoot} }
	return &container{
		tid:     1,
		program: "/usr/sbin/nginx",
		memory:  map[uint64][]byte{},
		fds:     map[int32]string{},
		sockets: map[int32]int{},
		links:   map[string]string{"/usr/bin/sh": "/usr/bin/dash"},
		cred:    as(hostRoot, hostRoot, dockerLike...),
		files: map[string]file{
			"/": root(dir), "/run": root(dir), "/usr": root(dir), "/usr/bin": root(dir), "/usr/sbin": root(dir),
			"/var": root(dir), "/var/log": root(dir), "/dev": root(dir), "/tmp": root(unix.S_IFDIR | unix.S_ISVTX | 0o777),
			"/etc": root(dir), "/etc/passwd": root(regular),
			"/usr/sbin/nginx":        root(program),
			"/usr/bin/dash":          root(program),
			"/entry.sh":              root(program),
			"/usr/lib":               root(dir),
			"/usr/lib/libz.so.1":     root(regular),
			"/dev/null":              root(unix.S_IFCHR | 0o666),
			"/var/log/access.log":    {unix.S_IFREG | 0o640, hostWWW, hostRoot},
			"/var/lib":               root(dir),
			"/var/lib/nginx":         {unix.S_IFDIR | 0o700, hostWWW, hostWWW},
			"/var/lib/nginx/body":    {unix.S_IFDIR | 0o700, hostWWW, hostWWW},
			"/tmp/theirs":            {regular, hostWWW, hostWWW},
			"/var/lib/foreign":       {unix.S_IFDIR | 0o700, 7, 7},
			"/var/lib/foreign/thing": {unix.S_IFREG | 0o600, 7, 7},
		},
		heads: map[string]string{"/entry.sh": "#! /bin/sh -e\n", "/usr/sbin/nginx": "\x7fELF"},
	}
}

// put stores bytes in the process's memory and returns their address.
func (c *container) put(b []byte) uint64 {
	addr := uint64(0x1000 * (len(c.memory) + 1))
	c.memory[addr] = b
	return addr
}

func (c *container) text(s string) uint64 { return c.put([]byte(s)) }

func words(w ...uint64) []byte {
	var b []byte
	for _, v := range w {
		b = binary.NativeEndian.AppendUint64(b, v)
	}
	return b
}

func options() Options {
	ids := []plan.IDMap{{Container: 0, Host: hostRoot, Size: 65536}}
	clock := time.Date(2025, 11, 23, 10, 0, 0, 0, time.UTC)
	return Options{
		Image:        evidence.Image{Digest: "sha256:" + strings.Repeat("0", 64)},
		Architecture: "amd64", Kernel: "6.18.44", Network: manifest.NetworkPrivate, Mode: manifest.IdentityRange,
		Identity: plan.Identity{UIDs: ids, GIDs: ids},
		Program:  "/usr/sbin/nginx",
		Now:      func() time.Time { clock = clock.Add(time.Millisecond); return clock },
	}
}

func number(t *testing.T, name string) int {
	t.Helper()
	info, ok := manifest.LookupSyscall("amd64", name)
	if !ok {
		t.Fatalf("no system call %q", name)
	}
	return info.Number
}

// start returns a recorder that has seen the first program start.
func start(t *testing.T, o Options, c *container) *Recorder {
	t.Helper()
	r, err := newRecorder(o, c)
	if err != nil {
		t.Fatal(err)
	}
	c.fds[100] = "/usr/sbin/nginx"
	r.decide(unix.AUDIT_ARCH_X86_64, number(t, "execveat"), call{process: c, tid: 1, args: [6]uint64{100}})
	return r
}

// make makes a call and returns the error it was answered with.
func (c *container) make(t *testing.T, r *Recorder, name string, args ...uint64) unix.Errno {
	t.Helper()
	k := call{process: c, tid: c.tid}
	copy(k.args[:], args)
	return r.decide(unix.AUDIT_ARCH_X86_64, number(t, name), k).Errno
}

// summary prints what a record has beside the calls, a line for each fact.
func summary(r *evidence.Record) []string {
	var lines []string
	add := func(format string, args ...any) { lines = append(lines, fmt.Sprintf(format, args...)) }
	for _, p := range r.Programs[1:] { // the first is nginx itself
		add("program %s as=%s interpreter=%s", p.Path, p.As, p.Interpreter)
	}
	for _, l := range r.Libraries {
		add("library %s", l)
	}
	for _, f := range r.Files {
		add("file %s %v", f.Path, f.Access)
	}
	for _, d := range r.Devices {
		add("device %s write=%t", d.Path, d.Write)
	}
	for _, s := range r.Connects {
		add("connect %s %s %d %s", s.Family, s.Address, s.Port, s.Protocol)
	}
	for _, s := range r.Binds {
		add("bind %s %s %d %s listening=%t", s.Family, s.Address, s.Port, s.Protocol, s.Listening)
	}
	for _, d := range r.IDs {
		add("id %s %d", d.Kind, d.ID)
	}
	for _, k := range r.Capabilities {
		add("%s: %s", k.Name, k.Example)
	}
	for _, s := range r.Signals {
		add("signal %d to %s", s.Number, s.To)
	}
	for _, l := range r.Limits {
		add("limit %s %d", l.Resource, l.Value)
	}
	if r.Lost > 0 {
		add("lost %d", r.Lost)
	}
	if r.Cancelled > 0 {
		add("cancelled %d", r.Cancelled)
	}
	return lines
}
