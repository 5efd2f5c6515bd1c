package trace

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"

	"golang.org/x/sys/unix"

	"github.com/least-privilege/lpm/enforcer/plan"
	"github.com/least-privilege/lpm/manifest"
)

// Target is a container that runs already, of whatever engine.
type Target struct {
	// PID is its first process, or of a control group one of the processes.
	PID int
	// Command is that process's command line, as far as it fits in a record,
	// Program the path of what it runs, inside the container.
	Command []string
	Program string
	// Identity is who it is, in the container's ids.
	Identity plan.Identity
	Mode     manifest.IdentityMode
	Network  manifest.NetworkMode

	cgroup string // the folder, or empty
	group  group
	pidfd  *os.File
}

// TargetError says that what was named is no container to watch.
type TargetError struct {
	Target, Reason string
	Err            error // may be nil
}

func (e *TargetError) Error() string {
	s := fmt.Sprintf("cannot attach to %q: %s", e.Target, e.Reason)
	if e.Err != nil {
		s += ": " + e.Err.Error()
	}
	return s
}

// Unwrap returns what the kernel said.
func (e *TargetError) Unwrap() error { return e.Err }

// Hint tells the way out.
func (e *TargetError) Hint() string {
	return "name the container's first process by its number (docker inspect -f '{{.State.Pid}}' NAME), or its control group by its folder below /sys/fs/cgroup"
}

// Find looks for the container that a number of a process or the folder of a
// control group (v2) names. The target is the caller's to close. It returns a
// [*TargetError] for what is none.
func Find(name string) (*Target, error) {
	t := &Target{}
	var err error
	if t.PID, err = strconv.Atoi(name); err != nil {
		if err := t.findGroup(name); err != nil {
			return nil, err
		}
	}
	if t.PID <= 0 {
		return nil, &TargetError{Target: name, Reason: "it is no number of a process"}
	}
	fd, err := unix.PidfdOpen(t.PID, 0)
	if err != nil {
		return nil, &TargetError{Target: name, Reason: fmt.Sprintf("there is no process %d", t.PID), Err: err}
	}
	t.pidfd = os.NewFile(uintptr(fd), "process")
	if err = t.pastEngine(); err == nil {
		err = t.look()
	}
	if err != nil {
		t.Close()
		var wrong *TargetError
		if errors.As(err, &wrong) {
			wrong.Target = name
			return nil, wrong
		}
		return nil, &TargetError{Target: name, Reason: fmt.Sprintf("looking at process %d", t.PID), Err: err}
	}
	// What was looked at was the process, and not a later one of its number.
	if err := unix.PidfdSendSignal(fd, 0, nil, 0); err != nil && !errors.Is(err, unix.EPERM) {
		t.Close()
		return nil, &TargetError{Target: name, Reason: "it has ended", Err: err}
	}
	return t, nil
}

// Close gives back what the target holds. What it names goes on.
func (t *Target) Close() { t.pidfd.Close() }

// findGroup takes the name for the folder of a control group.
func (t *Target) findGroup(name string) error {
	if !filepath.IsAbs(name) {
		return &TargetError{Target: name, Reason: "it is neither a number nor an absolute path"}
	}
	dir, err := filepath.EvalSymlinks(name)
	if err != nil {
		return &TargetError{Target: name, Reason: "the folder cannot be used", Err: err}
	}
	var fs unix.Statfs_t
	if err := unix.Statfs(dir, &fs); err != nil || fs.Type != unix.CGROUP2_SUPER_MAGIC {
		return &TargetError{Target: name, Reason: "it is no control group of version 2", Err: err}
	}
	info, err := os.Stat(dir)
	if err != nil {
		return &TargetError{Target: name, Reason: "the folder cannot be used", Err: err}
	}
	st := info.Sys().(*syscall.Stat_t)
	t.cgroup, t.group.ID = dir, st.Ino
	for parent := filepath.Dir(dir); ; parent = filepath.Dir(parent) {
		above, err := os.Stat(parent)
		if err != nil || above.Sys().(*syscall.Stat_t).Dev != st.Dev {
			break
		}
		t.group.Level++
	}
	if t.group.Level == 0 {
		return &TargetError{Target: name, Reason: "the root of all control groups is no container"}
	}
	all, err := groupProcesses(dir)
	if err != nil {
		return &TargetError{Target: name, Reason: "its processes cannot be listed", Err: err}
	}
	if len(all) == 0 {
		return &TargetError{Target: name, Reason: "it has no processes"}
	}
	t.PID = all[0]
	return nil
}

// groupProcesses lists the processes of a control group and of those below.
func groupProcesses(dir string) ([]int, error) {
	var all []int
	err := filepath.WalkDir(dir, func(name string, entry os.DirEntry, err error) error {
		if err != nil || !entry.IsDir() {
			return err
		}
		list, err := os.ReadFile(filepath.Join(name, "cgroup.procs"))
		if err != nil && !errors.Is(err, unix.EOPNOTSUPP) { // a threaded one
			return err
		}
		for _, field := range strings.Fields(string(list)) {
			if pid, err := strconv.Atoi(field); err == nil && pid > 0 {
				all = append(all, pid)
			}
		}
		return nil
	})
	return all, err
}

// look reads what /proc says of the process.
func (t *Target) look() error {
	var err error
	t.Program, err = os.Readlink(t.proc("exe"))
	if errors.Is(err, os.ErrNotExist) {
		return fmt.Errorf("it runs no program: %w", err) // a thread of the kernel
	}
	if err != nil {
		return err
	}
	r, err := openRoot(t.PID)
	if err != nil {
		return err
	}
	defer r.close()
	t.Program = r.inside(strings.TrimSuffix(t.Program, " (deleted)"))
	if t.Command, err = commandLine(t.proc("cmdline")); err != nil {
		return err
	}
	switch same, err := t.shares("mnt"); {
	case err != nil:
		return err
	case same:
		return &TargetError{Reason: fmt.Sprintf("process %d (%s) is in no container: its files are this machine's", t.PID, t.Program)}
	}
	t.Network = manifest.NetworkPrivate
	if same, err := t.shares("net"); err != nil {
		return err
	} else if same {
		t.Network = manifest.NetworkHost
	}
	ns, err := os.Stat(t.proc("ns/mnt"))
	if err != nil {
		return err
	}
	t.group.Mounts = uint32(ns.Sys().(*syscall.Stat_t).Ino)
	return t.identity()
}

func (t *Target) proc(name string) string { return fmt.Sprintf("/proc/%d/%s", t.PID, name) }

// shares reports whether the process is in the caller's namespace of a kind.
func (t *Target) shares(kind string) (bool, error) {
	theirs, err := os.Readlink(t.proc("ns/" + kind))
	if err != nil {
		return false, err
	}
	own, err := os.Readlink("/proc/self/ns/" + kind)
	return own == theirs, err
}

// identity reads the ids and the maps of the process's user namespace.
func (t *Target) identity() error {
	var err error
	if t.Identity.UIDs, err = readMap(t.proc("uid_map")); err != nil {
		return err
	}
	if t.Identity.GIDs, err = readMap(t.proc("gid_map")); err != nil {
		return err
	}
	status, err := os.ReadFile(t.proc("status"))
	if err != nil {
		return err
	}
	for line := range bytes.Lines(status) {
		key, rest, _ := strings.Cut(string(line), ":")
		values := strings.Fields(rest)
		switch {
		case key == "Uid" && len(values) == 4:
			t.Identity.UID = inside(t.Identity.UIDs, values[1])
		case key == "Gid" && len(values) == 4:
			t.Identity.GID = inside(t.Identity.GIDs, values[1])
		case key == "Groups":
			for _, v := range values {
				t.Identity.Groups = append(t.Identity.Groups, inside(t.Identity.GIDs, v))
			}
		}
	}
	t.Mode = manifest.IdentityRange
	if size(t.Identity.UIDs) == 1 && size(t.Identity.GIDs) == 1 {
		t.Mode = manifest.IdentitySingle
	}
	return nil
}

// readMap reads a file as user_namespaces(7) describes it.
func readMap(name string) ([]plan.IDMap, error) {
	text, err := os.ReadFile(name)
	if err != nil {
		return nil, err
	}
	var maps []plan.IDMap
	for line := range bytes.Lines(text) {
		var m plan.IDMap
		if _, err := fmt.Sscan(string(line), &m.Container, &m.Host, &m.Size); err != nil {
			return nil, fmt.Errorf("reading %s: %w", name, err)
		}
		maps = append(maps, m)
	}
	if len(maps) == 0 {
		return nil, fmt.Errorf("reading %s: its user namespace has no ids", name)
	}
	return maps, nil
}

// overflowID is what the kernel shows for an id that has none in a namespace.
const overflowID = 65534

// inside turns an id of this machine into the container's.
func inside(maps []plan.IDMap, text string) uint32 {
	host, err := strconv.ParseUint(text, 10, 32)
	if err != nil {
		return overflowID
	}
	for _, m := range maps {
		if id := uint32(host); id >= m.Host && id-m.Host < m.Size {
			return m.Container + (id - m.Host)
		}
	}
	return overflowID
}

func size(maps []plan.IDMap) uint64 {
	var n uint64
	for _, m := range maps {
		n += uint64(m.Size)
	}
	return n
}
