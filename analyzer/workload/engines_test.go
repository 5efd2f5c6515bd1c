package workload

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/opencontainers/runtime-spec/specs-go"

	"github.com/least-privilege/lpm/analyzer/internal/stage"
	"github.com/least-privilege/lpm/enforcer/container"
	"github.com/least-privilege/lpm/manifest"
	"github.com/least-privilege/lpm/registry/store"
)

// runc is a container that runc runs.
type runc struct {
	t         *testing.T
	root, id  string
	namespace int // a process in the mount namespace that has the bundle
	pid       int
}

// startRunc starts a shell with a script in the image's files, as engines do for
// root: with namespaces of its own but for users and the network, with their
// capabilities and a filter.
func (l *lab) startRunc(t *testing.T, script string) *runc {
	t.Helper()
	if _, err := exec.LookPath("runc"); err != nil {
		stage.Missing(t, "%v", err)
	}
	tree, err := l.store.Tree(t.Context(), l.image, store.Range)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { tree.Close() })
	bundle := t.TempDir()
	config, err := json.Marshal(engineSpec("/bin/sh", "-c", script))
	if err == nil {
		err = os.WriteFile(filepath.Join(bundle, "config.json"), config, 0o600)
	}
	if err != nil {
		t.Fatal(err)
	}
	c := &runc{t: t, root: t.TempDir(), id: "lpm-test-" + filepath.Base(bundle) + strconv.Itoa(os.Getpid())}
	const start = `set -e; cd "$0"; mkdir files rootfs; mount -t tmpfs tmpfs files; mkdir files/upper files/work
mount -t overlay overlay -o "lowerdir=$1,upperdir=files/upper,workdir=files/work" rootfs
exec runc --root "$2" run --bundle . "$3"`
	cmd := exec.Command("unshare", "--mount", "sh", "-c", start, bundle, tree.Path, c.root, c.id)
	cmd.Stderr = os.Stderr
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	c.namespace = cmd.Process.Pid
	ended := make(chan struct{})
	go func() { _ = cmd.Wait(); close(ended) }()
	t.Cleanup(func() {
		if c.pid != 0 {
			_ = exec.Command("runc", "--root", c.root, "kill", c.id, "KILL").Run()
		}
		select {
		case <-ended:
		case <-time.After(20 * time.Second):
			_ = cmd.Process.Kill()
			<-ended
		}
		_ = exec.Command("runc", "--root", c.root, "delete", "--force", c.id).Run()
	})
	for range 1000 {
		var state struct {
			PID    int    `json:"pid"`
			Status string `json:"status"`
		}
		out, err := exec.Command("runc", "--root", c.root, "state", c.id).Output()
		if err == nil && json.Unmarshal(out, &state) == nil && state.Status == "running" {
			c.pid = state.PID
			return c
		}
		select {
		case <-ended:
			t.Fatal("runc did not start the container")
		case <-time.After(10 * time.Millisecond):
		}
	}
	t.Fatal("the container did not start")
	return nil
}

// engineSpec is what an engine asks of runc.
func engineSpec(args ...string) specs.Spec {
	capabilities := []string{"CAP_CHOWN", "CAP_DAC_OVERRIDE", "CAP_FOWNER", "CAP_KILL", "CAP_SETGID", "CAP_SETUID"}
	spec := specs.Spec{
		Version: "1.0.2",
		Root:    &specs.Root{Path: "rootfs"},
		Process: &specs.Process{
			Args: args, Env: []string{"PATH=/usr/bin:/bin"}, Cwd: "/", NoNewPrivileges: true,
			Capabilities: &specs.LinuxCapabilities{Bounding: capabilities, Effective: capabilities, Permitted: capabilities},
		},
		Hostname: "runc",
		Mounts: []specs.Mount{
			{Destination: "/proc", Type: "proc", Source: "proc", Options: []string{"nosuid", "noexec", "nodev"}},
			{Destination: "/dev", Type: "tmpfs", Source: "tmpfs", Options: []string{"nosuid", "strictatime", "mode=755", "size=65536k"}},
		},
		Linux: &specs.Linux{
			// One call that nothing makes here: there is a filter.
			Seccomp: &specs.LinuxSeccomp{
				DefaultAction: specs.ActAllow,
				Syscalls:      []specs.LinuxSyscall{{Names: []string{"acct"}, Action: specs.ActErrno}},
			},
		},
	}
	for _, kind := range []specs.LinuxNamespaceType{
		specs.MountNamespace, specs.PIDNamespace, specs.IPCNamespace, specs.UTSNamespace, specs.CgroupNamespace,
	} {
		spec.Linux.Namespaces = append(spec.Linux.Namespaces, specs.LinuxNamespace{Type: kind})
	}
	return spec
}

// attached checks what [busy] does, which is not what engines do.
func (l *lab) attached(t *testing.T, o *Outcome, more ...string) {
	t.Helper()
	r := o.Record
	if r.Lost > 0 || r.Recorder != "ebpf" || mentions(o.Warnings, "of this image") {
		t.Errorf("lost %d, recorder %q, warnings %q", r.Lost, r.Recorder, o.Warnings)
	}
	var programs []string
	for _, p := range r.Programs {
		programs = append(programs, p.Path)
	}
	want := append([]string{"/usr/bin/dash", "/usr/bin/readlink", "/usr/bin/sleep"}, more...)
	slices.Sort(want)
	if !slices.Equal(programs, want) {
		t.Errorf("programs %q, want %q", programs, want)
	}
	for _, name := range []string{"mount", "pivot_root", "setns", "unshare", "seccomp", "capset"} {
		if callCount(r, name) > 0 {
			t.Errorf("%s is the engine's", name)
		}
	}
	if callCount(r, "execve") == 0 || len(r.Devices) == 0 || r.Devices[0].Path != "/dev/null" {
		t.Errorf("%d executions, devices %+v", callCount(r, "execve"), r.Devices)
	}
	if r.Identity.UID != 0 || len(r.Workload.Command) != 3 || r.Workload.Command[2] != busy {
		t.Errorf("identity %+v, command %q", r.Identity, r.Workload.Command)
	}
	propose(t, o)
}

// TestAsRootAttachRunc watches containers of runc.
func TestAsRootAttachRunc(t *testing.T) {
	privileged(t)
	l := newLab(t, "redis-entry")
	t.Run("a process", func(t *testing.T) {
		c := l.startRunc(t, busy)
		o, err := Attach(t.Context(), l.store, Attachment{Target: strconv.Itoa(c.pid), Image: l.image, For: 2 * time.Second})
		if err != nil {
			t.Fatal(err)
		}
		l.attached(t, o)
	})
	// What is executed in a container later on is in its control group too.
	t.Run("a control group", func(t *testing.T) {
		group := ownGroup(t)
		c := l.startRunc(t, busy)
		for _, pid := range descendants(c.pid) {
			if err := os.WriteFile(filepath.Join(group, "cgroup.procs"), []byte(strconv.Itoa(pid)), 0); err != nil && !errors.Is(err, syscall.ESRCH) {
				t.Fatal(err)
			}
		}
		done := make(chan error, 1)
		time.AfterFunc(time.Second, func() {
			// As engines have it, all of runc's own is in the group by then.
			join := exec.Command("sh", "-c", `echo $$ >"$0"/cgroup.procs; exec runc --root "$1" exec "$2" /bin/mkdir /tmp/joined`, group, c.root, c.id)
			out, err := join.CombinedOutput()
			if err != nil {
				err = fmt.Errorf("%w: %s", err, out)
			}
			done <- err
		})
		o, err := Attach(t.Context(), l.store, Attachment{Target: group, Image: l.image, For: 4 * time.Second})
		if err := errors.Join(err, <-done); err != nil {
			t.Fatal(err)
		}
		l.attached(t, o, "/usr/bin/mkdir")
		if n := callCount(o.Record, "mkdir"); n != 1 {
			t.Errorf("mkdir was made %d times", n)
		}
	})
	t.Run("until it ends", func(t *testing.T) {
		c := l.startRunc(t, "/bin/sleep 3; exit")
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		if _, err := Attach(ctx, l.store, Attachment{Target: strconv.Itoa(c.pid), Image: l.image}); err != nil {
			t.Error(err)
		}
	})
}

// TestAsRootAttachEnforced watches containers that lpm holds to what was
// proposed of them: no more than that is seen.
func TestAsRootAttachEnforced(t *testing.T) {
	privileged(t)
	l := newLab(t, "redis-entry")
	for name, first := range map[string]bool{"the program": false, "lpm's own first process": true} {
		t.Run(name, func(t *testing.T) {
			j := l.job(t, "/bin/sh", "-c", busy)
			j.Options.Entrypoint, j.For = []string{}, settled
			m := propose(t, l.run(t, j)).Manifest
			j.Volume = func(name string) (string, error) { return l.store.VolumeDir("test", name) }
			j.Options.Init, j.Options.BestEffort = first, true
			pid, end := l.enforce(t, j, m)
			o, err := Attach(t.Context(), l.store, Attachment{Target: strconv.Itoa(pid), Image: l.image, For: 2 * time.Second})
			if err := errors.Join(err, end()); err != nil {
				t.Fatal(err)
			}
			l.attached(t, o)
			granted := map[string]bool{}
			for _, p := range m.Permissions() {
				granted[p.ID] = true
			}
			for _, p := range propose(t, o).Manifest.Permissions() {
				if !granted[p.ID] && !strings.HasPrefix(p.ID, "resource") {
					t.Errorf("%s was seen and not granted", p.ID)
				}
			}
		})
	}
}

// enforce runs a container under a manifest until end is called.
func (l *lab) enforce(t *testing.T, j Job, m *manifest.Manifest) (pid int, end func() error) {
	t.Helper()
	r, err := prepareTrial(t.Context(), l.store, j.withDefaults(), m)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	started, done := make(chan int, 1), make(chan error, 1)
	go func() {
		defer r.close()
		_, err := r.prepared.Run(ctx, j.Streams, nil, container.Observer{Started: func(pid int) { started <- pid }})
		done <- err
	}()
	select {
	case pid = <-started:
	case err := <-done:
		cancel()
		t.Fatal(err)
	}
	time.Sleep(time.Second) // the program has been executed
	return pid, func() error {
		cancel()
		if err := <-done; !errors.Is(err, context.Canceled) {
			return err
		}
		return nil
	}
}
