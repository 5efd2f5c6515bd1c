package scope

import (
	"context"
	"errors"
	"io/fs"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/godbus/dbus/v5"

	"github.com/least-privilege/lpm/enforcer/cgroup"
	"github.com/least-privilege/lpm/manifest"
)

const (
	unit = "lpm-1-a.scope"
	job  = dbus.ObjectPath("/org/freedesktop/systemd1/job/7")
)

// done makes the scope and says so, after the end of somebody else's job.
func done(i *imitation, call *dbus.Message) {
	switch call.Headers[dbus.FieldMember].Value() {
	case "Hello":
		i.reply(call, ":1.5")
	case "AddMatch":
		i.reply(call)
	case "StartTransientUnit":
		// A signal may overtake the reply that it belongs to.
		i.removed("/org/freedesktop/systemd1/job/6", unit, "failed")
		i.removed(job, unit, "done")
		i.reply(call, job)
	}
}

func everything() manifest.Resources {
	return manifest.Resources{Memory: 64 << 20, PIDs: 20, MilliCPU: 500, IOWeight: 50}
}

// inForce are the files of a group in which everything is in force.
func inForce() map[string]string {
	return map[string]string{
		"memory.max": "67108864\n", "memory.swap.max": "0\n", "pids.max": "20\n", "cpu.max": "50000 100000\n", "io.weight": "default 50\n",
	}
}

// conn is a connection to a systemd that has this process's group at the path
// in the file of /proc, with the control files.
func conn(t *testing.T, address, membership string, files map[string]string) *Conn {
	t.Helper()
	c, err := Connect(t.Context(), []string{address})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	c.proc, c.tree = t.TempDir(), t.TempDir()
	write(t, filepath.Join(c.proc, strconv.Itoa(os.Getpid()), "cgroup"), membership)
	for name, content := range files {
		write(t, filepath.Join(c.tree, "app.slice", unit, name), content)
	}
	return c
}

func write(t *testing.T, path, content string) {
	t.Helper()
	if err := errors.Join(os.MkdirAll(filepath.Dir(path), 0o755), os.WriteFile(path, []byte(content), 0o644)); err != nil {
		t.Fatal(err)
	}
}

const inScope = "1:name=systemd:/x\n0::/app.slice/" + unit + "\n"

func (c *Conn) start(ctx context.Context, r manifest.Resources) (string, error) {
	return c.Start(ctx, Request{Name: unit, Description: "a test", PID: os.Getpid(), Resources: r})
}

func TestStart(t *testing.T) {
	for _, test := range []struct{ name, socket, members string }{
		{"systemd's own socket", "systemd/private", "StartTransientUnit"},
		{"a message bus", "bus", "Hello AddMatch StartTransientUnit"},
	} {
		t.Run(test.name, func(t *testing.T) {
			i := imitate(t, test.socket, done)
			c := conn(t, i.address(), inScope, inForce())
			path, err := c.start(t.Context(), everything())
			if err != nil || path != filepath.Join(c.tree, "app.slice", unit) {
				t.Errorf("got %q, %v", path, err)
			}
			if got := i.members(); got != test.members {
				t.Errorf("called %q, want %q", got, test.members)
			}
		})
	}
}

// TestProperties: what systemd is asked for, in its own units.
func TestProperties(t *testing.T) {
	i := imitate(t, "systemd/private", done)
	c := conn(t, i.address(), inScope, inForce())
	if _, err := c.start(t.Context(), everything()); err != nil {
		t.Fatal(err)
	}
	var (
		name, mode string
		given      []property
		along      []auxiliary
	)
	call := i.calls[len(i.calls)-1]
	if err := dbus.Store(call.Body, &name, &mode, &given, &along); err != nil {
		t.Fatal(err)
	}
	if name != unit || mode != "fail" || len(along) != 0 {
		t.Errorf("unit %q, mode %q, beside it %v", name, mode, along)
	}
	if got := call.Headers[dbus.FieldSignature].Value().(dbus.Signature).String(); got != "ssa(sv)a(sa(sv))" {
		t.Errorf("the signature is %s", got)
	}
	var got []string
	for _, p := range given {
		got = append(got, p.Name+"="+p.Value.String())
	}
	want := `Description="a test" PIDs=@au [` + strconv.Itoa(os.Getpid()) + `] CollectMode="inactive-or-failed" ` +
		`MemoryMax=@t 67108864 MemorySwapMax=@t 0 TasksMax=@t 20 CPUQuotaPerSecUSec=@t 500000 IOWeight=@t 50 ` +
		`DelegateControllers=["memory", "pids", "cpu", "io"]`
	if strings.Join(got, " ") != want {
		t.Errorf("properties\n%s\nwant\n%s", strings.Join(got, " "), want)
	}
}

// TestNotStarted lists what makes no scope, or one that holds nobody.
func TestNotStarted(t *testing.T) {
	ends := func(result string) func(i *imitation, call *dbus.Message) {
		return func(i *imitation, call *dbus.Message) {
			i.reply(call, job)
			i.removed(job, unit, result)
		}
	}
	without := func(name string) map[string]string {
		files := inForce()
		delete(files, name)
		return files
	}
	with := func(name, content string) map[string]string {
		files := inForce()
		files[name] = content
		return files
	}
	for _, test := range []struct {
		name   string
		answer func(i *imitation, call *dbus.Message)
		// member is the process's line in /proc, if it is not the scope's.
		member string
		files  map[string]string
		want   error
		text   string
		hint   string
	}{
		{
			name: "refused", want: ErrRefused, text: "Unit exists",
			answer: func(i *imitation, call *dbus.Message) {
				i.refuse(call, "org.freedesktop.systemd1.UnitExists", "Unit exists.")
			},
		},
		{name: "failed", answer: ends("failed"), want: ErrRefused, text: `"failed"`, hint: "journalctl"},
		{name: "never begun", answer: ends("canceled"), want: ErrRefused, text: `"canceled"`, hint: "journalctl"},
		{name: "hung up before the reply", answer: func(i *imitation, _ *dbus.Message) { i.hangUp() }, want: ErrUnreachable, hint: "systemctl"},
		{
			name: "hung up before the signal", want: ErrUnreachable, hint: "systemctl",
			answer: func(i *imitation, call *dbus.Message) { i.reply(call, job); i.hangUp() },
		},
		{name: "the process is elsewhere", member: "0::/app.slice/other.scope\n", want: ErrRefused, text: "other.scope"},
		{name: "the process is only in v1's", member: "3:memory:/app.slice/" + unit + "\n", want: ErrRefused},
		{name: "memory is not delegated", files: without("memory.max"), want: fs.ErrNotExist, text: "memory", hint: "Delegate="},
		{name: "memory is not bounded", files: with("memory.max", "max\n"), want: cgroup.ErrNotSet, text: "memory.max", hint: "Delegate="},
		{name: "swap is not bounded", files: with("memory.swap.max", "max\n"), want: cgroup.ErrNotSet, text: "memory.swap.max", hint: "Delegate="},
		{name: "more processes", files: with("pids.max", "21\n"), want: cgroup.ErrNotSet, text: "pids.max", hint: "Delegate="},
		{name: "more of the processor", files: with("cpu.max", "60000 100000\n"), want: cgroup.ErrNotSet, text: "cpu.max", hint: "Delegate="},
		{name: "more of the disk", files: with("io.weight", "default 100\n"), want: cgroup.ErrNotSet, text: "io.weight", hint: "Delegate="},
	} {
		t.Run(test.name, func(t *testing.T) {
			if test.answer == nil {
				test.answer = done
			}
			if test.member == "" {
				test.member = inScope
			}
			if test.files == nil {
				test.files = inForce()
			}
			i := imitate(t, "systemd/private", test.answer)
			_, err := conn(t, i.address(), test.member, test.files).start(t.Context(), everything())
			expect(t, err, test.want, test.text, test.hint)
		})
	}
}

func expect(t *testing.T, err, want error, text, hint string) {
	t.Helper()
	if !errors.Is(err, want) || !strings.Contains(err.Error(), text) {
		t.Fatalf("got %v, want %v and %q", err, want, text)
	}
	var hinted *Error
	if !errors.As(err, &hinted) || !strings.Contains(hinted.Hint(), hint) || (hinted.Hint() == "") != (hint == "") {
		t.Errorf("%v: hint %q, want %q", err, hinted.Hint(), hint)
	}
}

// TestSilence: a systemd that says nothing is an error in the end, wherever it
// falls silent, and so is a caller who does not want to wait.
func TestSilence(t *testing.T) {
	for _, test := range []struct {
		name   string
		answer func(i *imitation, call *dbus.Message)
	}{
		{"no reply", func(*imitation, *dbus.Message) {}},
		{"no signal", func(i *imitation, call *dbus.Message) { i.reply(call, job) }},
		{"signals of others alone", func(i *imitation, call *dbus.Message) {
			i.reply(call, job)
			for range 200 {
				i.removed("/org/freedesktop/systemd1/job/6", unit, "done")
			}
		}},
	} {
		t.Run(test.name, func(t *testing.T) {
			i := imitate(t, "systemd/private", test.answer)
			c := conn(t, i.address(), inScope, inForce())
			ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
			defer cancel()
			_, err := c.start(ctx, everything())
			expect(t, err, ErrSilent, unit, "systemctl")
		})
	}
	t.Run("cancelled", func(t *testing.T) {
		ctx, cancel := context.WithCancel(t.Context())
		i := imitate(t, "systemd/private", func(*imitation, *dbus.Message) { cancel() })
		_, err := conn(t, i.address(), inScope, inForce()).start(ctx, everything())
		expect(t, err, context.Canceled, unit, "")
	})
}

// TestConnect lists addresses at which there is no systemd.
func TestConnect(t *testing.T) {
	dir := t.TempDir()
	write(t, filepath.Join(dir, "file"), "")
	for _, test := range []struct {
		name      string
		addresses []string
		want      error
		text      string
	}{
		{"no address", nil, ErrUnreachable, "no address"},
		{"nothing there", []string{"unix:path=" + dir + "/nothing"}, fs.ErrNotExist, "nothing"},
		{"no socket", []string{"unix:path=" + dir + "/file"}, ErrUnreachable, "file"},
		{"a program to start", []string{"unixexec:path=/bin/sh"}, ErrUnreachable, "unixexec"},
		{"a name that is wrong", []string{"unix:path=%zz"}, ErrUnreachable, ""},
		{"no name", []string{"unix:guid=1"}, ErrUnreachable, "names no socket"},
	} {
		t.Run(test.name, func(t *testing.T) {
			_, err := Connect(t.Context(), test.addresses)
			expect(t, err, test.want, test.text, "systemctl")
		})
	}
}

// TestConnectFurther: where nobody is at the first address, the next is tried.
func TestConnectFurther(t *testing.T) {
	i := imitate(t, "a name with blanks", done)
	escaped := "unix:path=" + strings.ReplaceAll(i.socket, " ", "%20") + ",guid=1;unix:path=/other"
	c, err := Connect(t.Context(), []string{"unix:path=/nothing", escaped})
	if err != nil {
		t.Fatal(err)
	}
	c.Close()
}

// TestConnectIsBounded: somebody who accepts a connection and says nothing.
func TestConnectIsBounded(t *testing.T) {
	bus := imitate(t, "bus", func(*imitation, *dbus.Message) {})
	mute := filepath.Join(t.TempDir(), "mute")
	listener, err := net.Listen("unix", mute)
	if err != nil {
		t.Fatal(err)
	}
	defer listener.Close()
	for name, address := range map[string]string{
		"does not authenticate": "unix:path=" + mute, "does not greet": bus.address(),
	} {
		t.Run(name, func(t *testing.T) {
			ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
			defer cancel()
			_, err := Connect(ctx, []string{address, "unix:path=/nothing"})
			expect(t, err, ErrSilent, "connecting", "systemctl")
		})
	}
}
