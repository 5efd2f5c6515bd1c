package host

import (
	"fmt"
	"path"
	"slices"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"

	"github.com/least-privilege/lpm/enforcer/cgroup"
)

// usable are the controllers that lpm has limits for.
var usable = []string{"cpu", "io", "memory", "pids"}

// delegated returns the cgroup v2 folder below which the caller may make
// groups, with the controllers that those can have. It is "" where nothing is
// delegated, or no controller that lpm has limits for.
//
// It is the caller's own cgroup where the caller is alone in it, for a cgroup
// has either processes or children with controllers, and who is alone can
// step aside. Otherwise it is the cgroup above, if that is the caller's too:
// a group beside the own one is under the same limits but those of the own.
// So it is for a caller that has stepped aside already.
func (m machine) delegated() (dir string, controllers []string, err error) {
	membership, err := m.read("/proc/self/cgroup")
	if err != nil {
		return "", nil, err
	}
	mounts, err := m.read("/proc/self/mountinfo")
	if err != nil {
		return "", nil, err
	}
	mount, own := locate(mounts, membership)
	if own == "" {
		return "", nil, nil
	}
	alone, err := m.alone(own)
	if err != nil {
		return "", nil, err
	}
	var candidates []string
	if alone && path.Base(own) != cgroup.Launchers {
		candidates = append(candidates, own)
	}
	if own != mount {
		candidates = append(candidates, path.Dir(own))
	}
	for _, dir := range candidates {
		controllers, err := m.offered(dir)
		if err != nil || len(controllers) > 0 {
			return dir, controllers, err
		}
	}
	return "", nil, nil
}

// locate returns where cgroup v2 is mounted and, below it, the own cgroup;
// both are "" where that is not to be seen. The formats are those of
// proc_pid_mountinfo(5) and cgroups(7).
func locate(mountinfo, membership string) (mount, own string) {
	group := ""
	for line := range strings.Lines(membership) {
		if rest, ok := strings.CutPrefix(strings.TrimSuffix(line, "\n"), "0::"); ok {
			group = rest
		}
	}
	if !strings.HasPrefix(group, "/") || strings.HasSuffix(group, " (deleted)") {
		return "", ""
	}
	for line := range strings.Lines(mountinfo) {
		before, after, ok := strings.Cut(line, " - ")
		fields := strings.Fields(before)
		if !ok || len(fields) < 6 || !strings.HasPrefix(after, "cgroup2 ") {
			continue
		}
		root, at := unescape(fields[3]), unescape(fields[4])
		below, inside := strings.CutPrefix(group, strings.TrimSuffix(root, "/"))
		if !inside || (below != "" && below[0] != '/') || slices.Contains(strings.Split(below, "/"), "..") {
			continue
		}
		return at, path.Join(at, below)
	}
	return "", ""
}

// unescape undoes the octal escapes of mountinfo for blanks and backslashes.
func unescape(s string) string {
	var b strings.Builder
	for i := 0; i < len(s); i++ {
		if s[i] == '\\' && i+3 < len(s) {
			if code, err := strconv.ParseUint(s[i+1:i+4], 8, 8); err == nil {
				b.WriteByte(byte(code))
				i += 3
				continue
			}
		}
		b.WriteByte(s[i])
	}
	return b.String()
}

// alone tells whether the caller is the only process of its cgroup.
func (m machine) alone(own string) (bool, error) {
	procs, err := m.read(path.Join(own, "cgroup.procs"))
	return strings.TrimSpace(procs) == strconv.Itoa(m.pid), err
}

// offered returns the controllers that new groups below dir can have, none
// where the caller may not make groups there.
func (m machine) offered(dir string) ([]string, error) {
	// Making a folder, moving a process into it (which needs the right to
	// write cgroup.procs of the common ancestor) and giving it controllers.
	for _, file := range []string{"", "cgroup.procs", "cgroup.subtree_control"} {
		switch err := unix.Access(m.file(path.Join(dir, file)), unix.W_OK); err {
		case nil:
		case unix.EACCES, unix.EPERM, unix.EROFS, unix.ENOENT:
			return nil, nil
		default:
			return nil, fmt.Errorf("asking for access to %s: %w", path.Join(dir, file), err)
		}
	}
	// The root has no type; "threaded" ones cannot have controllers such as
	// memory.
	kind, err := m.read(path.Join(dir, "cgroup.type"))
	if err != nil || (kind != "" && kind != "domain\n") {
		return nil, err
	}
	list := "cgroup.controllers"
	procs, err := m.read(path.Join(dir, "cgroup.procs"))
	if err != nil {
		return nil, err
	}
	if p := strings.TrimSpace(procs); p != "" && p != strconv.Itoa(m.pid) {
		// Others live there: what is not given to children yet cannot be.
		list = "cgroup.subtree_control"
	}
	names, err := m.read(path.Join(dir, list))
	if err != nil {
		return nil, err
	}
	offered := strings.Fields(names)
	offered = slices.DeleteFunc(offered, func(c string) bool { return !slices.Contains(usable, c) })
	slices.Sort(offered)
	return offered, nil
}
