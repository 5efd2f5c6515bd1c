// Package host finds out what the machine can do for the caller.
//
// [Probe] answers what a plan needs. It runs at each launch, so it only reads
// a few files and makes system calls that change nothing: no child process,
// no trial. [Inspect] answers what a person needs to mend the machine, tries
// things for real, and takes its time.
//
// An answer is present, missing or inconclusive. Inconclusive is never taken
// for either of the others: Probe returns an error instead.
package host

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"reflect"
	"runtime"

	"github.com/least-privilege/lpm/enforcer/plan"
)

// ErrSetUser is returned to a program that runs with another user's rights
// than its caller's. lpm holds no privilege and must not be given any.
var ErrSetUser = errors.New("lpm must not be installed set-user-id or set-group-id")

// machine is where facts are read from. Tests give it a folder that imitates
// a host's files; the system calls are always the real ones.
type machine struct {
	root     string
	uid, gid uint32
	pid      int
	// user is the name to fall back on where the password file has none.
	user string
	// path is the search path for newuidmap and newgidmap.
	path string
	// executable is the path of this program, or empty.
	executable string
	// runtime is the user's runtime folder, bus the D-Bus address of the
	// session, as the environment has them.
	runtime, bus string
}

// here is the machine this program runs on.
func here() (machine, error) {
	if os.Getuid() != os.Geteuid() || os.Getgid() != os.Getegid() {
		return machine{}, ErrSetUser
	}
	// Where it is not to be learned, a hint is less exact.
	executable, _ := os.Executable()
	return machine{
		root:       "/",
		uid:        uint32(os.Getuid()),
		gid:        uint32(os.Getgid()),
		pid:        os.Getpid(),
		user:       os.Getenv("USER"),
		path:       os.Getenv("PATH"),
		executable: executable,
		runtime:    os.Getenv("XDG_RUNTIME_DIR"),
		bus:        os.Getenv("DBUS_SESSION_BUS_ADDRESS"),
	}, nil
}

// file returns where a path of the machine is.
func (m machine) file(path string) string { return filepath.Join(m.root, path) }

// read returns a file's content, and "" where there is no such file.
func (m machine) read(path string) (string, error) {
	content, err := os.ReadFile(m.file(path))
	if errors.Is(err, fs.ErrNotExist) {
		return "", nil
	}
	return string(content), err
}

// Probe returns what a plan needs to know of the machine and the caller's
// account. An ability that is missing is a zero value; one that cannot be
// told is an error.
func Probe(ctx context.Context) (plan.Host, error) {
	m, err := here()
	if err != nil {
		return plan.Host{}, err
	}
	h, err := m.probe(ctx)
	if err != nil {
		return plan.Host{}, fmt.Errorf("probing the host: %w", err)
	}
	return h, nil
}

// Unchanged reports whether the machine and the account are as they were, as
// far as a plan depends on them. It is asked at each launch, and leaves out
// what takes long and matters to few: subordinate ids where the container has
// one id, and control groups where it needs none.
func Unchanged(ctx context.Context, was plan.Host, p *plan.Plan) (bool, error) {
	m, err := here()
	if err != nil {
		return false, err
	}
	is, err := m.facts(ctx)
	if err != nil {
		return false, fmt.Errorf("probing the host: %w", err)
	}
	is.SubUIDs, is.SubGIDs = was.SubUIDs, was.SubGIDs
	if p.Identity.Setgroups {
		if is.SubUIDs, is.SubGIDs, err = m.ranges(); err != nil {
			return false, fmt.Errorf("probing the host: %w", err)
		}
	}
	is.Cgroup, is.Controllers, is.Manager, is.Cgroup1, is.Disks = was.Cgroup, was.Controllers, was.Manager, was.Cgroup1, was.Disks
	if p.Group.Kind != plan.GroupNone || len(p.Unenforced) > 0 {
		if err := m.groups(&is); err != nil {
			return false, fmt.Errorf("probing the host: %w", err)
		}
	}
	return reflect.DeepEqual(is, was), nil
}

func (m machine) probe(ctx context.Context) (h plan.Host, err error) {
	if h, err = m.facts(ctx); err != nil {
		return h, err
	}
	if h.SubUIDs, h.SubGIDs, err = m.ranges(); err != nil {
		return h, err
	}
	return h, m.groups(&h)
}

// groups finds out who can make control groups for the caller.
func (m machine) groups(h *plan.Host) (err error) {
	for _, step := range []func() error{
		func() error { h.Cgroup, h.Controllers, err = m.delegated(); return err },
		func() error { h.Manager, err = m.manager(); return err },
		func() error { h.Cgroup1, err = m.cgroup1(); return err },
		func() error { h.Disks, err = m.weighedDisks(*h); return err },
	} {
		if err := step(); err != nil {
			return err
		}
	}
	return nil
}

// facts are those that every plan depends on.
func (m machine) facts(ctx context.Context) (h plan.Host, err error) {
	h = plan.Host{Architecture: runtime.GOARCH, UID: m.uid, GID: m.gid}
	for _, step := range []func() error{
		func() error { h.Kernel, err = kernelRelease(); return err },
		func() error { h.LandlockABI, err = landlockABI(); return err },
		func() error { h.WaitKillable, err = waitKillable(); return err },
		func() error { h.OpenFiles, err = openFiles(); return err },
		func() error { h.ResolvConf, err = m.exists("/etc/resolv.conf"); return err },
		func() error { h.Hosts, err = m.hosts(); return err },
		func() error { h.ProcPaths, err = m.procPaths(); return err },
	} {
		if err := ctx.Err(); err != nil {
			return h, err
		}
		if err := step(); err != nil {
			return h, err
		}
	}
	return h, nil
}

// maxHosts bounds the host's list of names, in bytes.
const maxHosts = 4 << 20

// hosts returns the host's list of names.
func (m machine) hosts() (string, error) {
	content, err := m.read("/etc/hosts")
	if err == nil && len(content) > maxHosts {
		err = fmt.Errorf("/etc/hosts is larger than %d bytes", maxHosts)
	}
	return content, err
}

// exists tells whether a path of the machine leads to a file.
func (m machine) exists(path string) (bool, error) {
	_, err := os.Stat(m.file(path))
	if errors.Is(err, fs.ErrNotExist) {
		return false, nil
	}
	return err == nil, err
}

// procPaths returns those of the paths to mask or make read-only that exist.
// They are looked for in the host's /proc: what is in the top folder depends
// on the kernel, not on the namespace.
func (m machine) procPaths() ([]string, error) {
	var found []string
	for _, path := range append(plan.MaskedPaths(), plan.ReadOnlyPaths()...) {
		there, err := m.exists(path)
		if err != nil {
			return nil, err
		}
		if there {
			found = append(found, path)
		}
	}
	return found, nil
}
