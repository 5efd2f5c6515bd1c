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

// usualMount is where systemd mounts cgroup v2, and most others do.
const usualMount = "/sys/fs/cgroup"

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
	mount, own, err := m.ownGroup()
	if err != nil || own == "" {
		return "", nil, err
	}
	procs, err := m.read(path.Join(own, "cgroup.procs"))
	if err != nil {
		return "", nil, err
	}
	var candidates []string
	if strings.TrimSpace(procs) == strconv.Itoa(m.pid) && path.Base(own) != cgroup.Launchers {
		candidates = append(candidates, own)
	}
	if own != mount {
		candidates = append(candidates, path.Dir(own))
	}
	for _, dir := range candidates {
		ours, err := m.handedOver(mount, dir)
		if err != nil {
			return "", nil, err
		}
		if !ours {
			continue
		}
		controllers, err := m.offered(dir)
		if err != nil || len(controllers) > 0 {
			return dir, controllers, err
		}
	}
	return "", nil, nil
}

// ownGroup returns where cgroup v2 is mounted and, below it, the own cgroup;
// both are "" where that is not to be seen.
func (m machine) ownGroup() (mount, own string, err error) {
	membership, err := m.read("/proc/self/cgroup")
	group := unified(membership)
	if err != nil || group == "" {
		return "", "", err
	}
	// Some machines have hundreds of mounts to read through. Where this
	// process is in the list of the group that would be its own, it is.
	own = path.Join(usualMount, group)
	procs, err := m.read(path.Join(own, "cgroup.procs"))
	if err == nil && slices.Contains(strings.Fields(procs), strconv.Itoa(m.pid)) {
		return usualMount, own, nil
	}
	mounts, err := m.read("/proc/self/mountinfo")
	if err != nil {
		return "", "", err
	}
	mount, own = locate(mounts, "cgroup2", "", group)
	return mount, own, nil
}

// unified returns the path of the own group of cgroup v2, or "" where there
// is none any more; see cgroups(7), /proc/pid/cgroup.
func unified(membership string) string {
	for line := range strings.Lines(membership) {
		group, ok := strings.CutPrefix(strings.TrimSuffix(line, "\n"), "0::")
		if ok && strings.HasPrefix(group, "/") && !strings.HasSuffix(group, " (deleted)") {
			return group
		}
	}
	return ""
}

// locate returns where a cgroup file system of the type and with the
// controller, if it is one of v1, is mounted, and the group below it; both are
// "" where it is not to be seen. The format is that of proc_pid_mountinfo(5).
func locate(mountinfo, kind, controller, group string) (mount, dir string) {
	for line := range strings.Lines(mountinfo) {
		before, after, ok := strings.Cut(line, " - ")
		fields, about := strings.Fields(before), strings.Fields(after)
		if !ok || len(fields) < 6 || len(about) < 3 || about[0] != kind {
			continue
		}
		if controller != "" && !slices.Contains(strings.Split(about[2], ","), controller) {
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

// unitSuffixes end the names of cgroups that systemd manages.
var unitSuffixes = []string{".scope", ".service", ".slice", ".mount", ".socket", ".swap"}

// handedOver tells whether a cgroup is the caller's to arrange. The right to
// write to it says little: systemd arranges the groups of its units as it sees
// fit, and takes controllers away again that others have handed down. It marks
// the groups that it leaves to others, for users to see since release 251
// (systemd.io/CGROUP_DELEGATION).
func (m machine) handedOver(mount, dir string) (bool, error) {
	for ; dir != mount && dir != "/"; dir = path.Dir(dir) {
		if slices.Contains(unitSuffixes, path.Ext(dir)) {
			return m.marked(dir)
		}
	}
	managed, err := m.exists("/run/systemd/system")
	return !managed, err
}

// marked tells whether systemd has marked a cgroup as delegated.
func (m machine) marked(dir string) (bool, error) {
	for _, attribute := range []string{"user.delegate", "trusted.delegate"} {
		value := make([]byte, 8)
		n, err := unix.Getxattr(m.file(dir), attribute, value)
		switch err {
		case nil:
			if string(value[:n]) == "1" {
				return true, nil
			}
		case unix.ENODATA, unix.ENOTSUP, unix.EPERM, unix.ENOENT, unix.ERANGE:
		default:
			return false, fmt.Errorf("reading %s of %s: %w", attribute, dir, err)
		}
	}
	return false, nil
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
	return usableOf(names), nil
}

// usableOf returns those of a list of controllers that lpm has limits for.
func usableOf(list string) []string {
	names := strings.Fields(list)
	names = slices.DeleteFunc(names, func(c string) bool { return !slices.Contains(usable, c) })
	slices.Sort(names)
	return names
}
