package enforcer_test

import (
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"
	"os/signal"
	"path/filepath"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/least-privilege/lpm/enforcer/container"
	"github.com/least-privilege/lpm/enforcer/launch"
	"github.com/least-privilege/lpm/enforcer/plan"
	"github.com/least-privilege/lpm/enforcer/supervise"
	"github.com/least-privilege/lpm/manifest"
)

// A change of a plan takes a wall away, to see whether the other one holds.
type change func(p *plan.Plan)

// withoutReadOnly leaves the mounts of host folders writable, as if there were
// a fault in them.
func withoutReadOnly(p *plan.Plan) {
	for i, op := range p.Ops {
		if op.Call != "mount_setattr" || op.About != "mounting /host" {
			continue
		}
		fields := slices.Clone(op.Args[3].Struct)
		fields[0].Value.Flags = strings.TrimSuffix(fields[0].Value.Flags, "|MOUNT_ATTR_RDONLY")
		p.Ops[i].Args = slices.Clone(op.Args)
		p.Ops[i].Args[3].Struct = fields
	}
}

// withoutLandlock leaves the rules of Landlock out.
func withoutLandlock(p *plan.Plan) {
	p.Ops = slices.DeleteFunc(p.Ops, func(op plan.Op) bool {
		return strings.HasPrefix(op.Call, "landlock_")
	})
}

// withoutPIDNamespace leaves the container among the processes of the host,
// whose /proc it then has.
func withoutPIDNamespace(p *plan.Plan) {
	p.Namespaces = slices.DeleteFunc(p.Namespaces, func(n string) bool { return n == "CLONE_NEWPID" })
	proc, host := "/proc", plan.Arg{Flags: "AT_FDCWD"}
	p.Ops = slices.DeleteFunc(p.Ops, func(op plan.Op) bool {
		return op.About == "mounting /proc" && (op.Call == "fsopen" || op.Call == "fsconfig")
	})
	for i, op := range p.Ops {
		if op.Call == "fsmount" && op.About == "mounting /proc" {
			p.Ops[i].Call = "open_tree"
			p.Ops[i].Args = []plan.Arg{host, {Text: &proc}, {Flags: "OPEN_TREE_CLONE|OPEN_TREE_CLOEXEC|AT_RECURSIVE"}}
		}
	}
}

// landlockLab is a lab for the program testdata/landlock.py, which it finds at
// /attack.
type landlockLab struct {
	*lab
	scripts string
	// tty is the container's terminal, or nil.
	tty *container.Terminal
}

func newLandlockLab(t *testing.T) *landlockLab {
	t.Helper()
	if runtime.GOARCH != "amd64" {
		t.Skip("the attempts are written for amd64")
	}
	script, err := os.ReadFile(filepath.Join("testdata", "landlock.py"))
	if err != nil {
		t.Fatal(err)
	}
	// The sources may be where the container's user cannot go.
	scripts := t.TempDir()
	if err := os.WriteFile(filepath.Join(scripts, "landlock.py"), script, 0o644); err != nil {
		t.Fatal(err)
	}
	return &landlockLab{lab: newLab(t, "python3"), scripts: scripts}
}

// of returns the lab for a test of its own.
func (l *landlockLab) of(t *testing.T) *landlockLab {
	own := *l.lab
	own.t = t
	return &landlockLab{lab: &own, scripts: l.scripts}
}

// lenient is a supervisor that lets every call go on, so that nothing but the
// kernel refuses.
type lenient struct{}

func (lenient) Decide(*supervise.Call) supervise.Verdict { return supervise.Verdict{} }

// attempt runs a function of landlock.py under a changed plan, unsupervised,
// and returns what it printed.
func (l *landlockLab) attempt(m *manifest.Manifest, changes []change, args ...string) string {
	l.t.Helper()
	p, done, err := l.prepare(l.t.Context(), plan.Enforce, m, append([]string{"/attack/landlock.py"}, args...)...)
	defer done()
	if err != nil {
		l.t.Fatal(err)
	}
	for _, c := range changes {
		c(p.Plan)
	}
	if p.Program, err = launch.Compile(p.Plan, p.Filters); err != nil {
		l.t.Fatal(err)
	}
	in, out, errs := l.file("in"), l.file("out"), l.file("err")
	if l.tty != nil {
		in = l.tty.Slave
	}
	if _, err := p.Run(l.t.Context(), container.Streams{In: in, Out: out, Err: errs}, nil, container.Observer{Policy: lenient{}}); err != nil {
		l.t.Fatalf("%q: %v\n%s", args, err, content(l.t, errs))
	}
	return strings.TrimSpace(content(l.t, out) + content(l.t, errs))
}

// ordinary grants every call that is not special, so that nothing but the walls
// under test refuses.
func (l *landlockLab) ordinary(changes ...func(m *manifest.Manifest)) *manifest.Manifest {
	return python(l.scripts, append([]func(m *manifest.Manifest){func(m *manifest.Manifest) {
		for _, s := range manifest.SyscallTable(m.Syscalls.Architecture) {
			if s.Level < manifest.Special {
				grant(m, s.Name)
			}
		}
		m.Execute = append(m.Execute, manifest.Program{Path: "/usr/bin/dash"}, manifest.Program{Path: "/usr/bin/cat"},
			manifest.Program{Path: "/usr/bin/mv"}, manifest.Program{Path: "/usr/bin/rm"})
	}}, changes...)...)
}

// hostFolder is a folder to be granted, as landlock.py expects it.
func hostFolder(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	for _, name := range []string{"empty", "from", "to"} {
		if err := os.Mkdir(filepath.Join(dir, name), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	for _, name := range []string{"file", "from/file"} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte("of the host\n"), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	if err := unix.Mkfifo(filepath.Join(dir, "fifo"), 0o644); err != nil {
		t.Fatal(err)
	}
	return dir
}

// TestLandlockFiles takes the read-only mount away, which hides Landlock: what
// a folder is not granted for is refused all the same, and would be done
// without Landlock. With the grant and both walls it is done, too.
func TestLandlockFiles(t *testing.T) {
	l := newLandlockLab(t)
	abi := l.landlock()
	mount := func(dir string, write bool) func(m *manifest.Manifest) {
		return func(m *manifest.Manifest) {
			m.Mounts = append(m.Mounts, manifest.Mount{Path: "/host", Host: dir, Write: write})
		}
	}
	tests := []struct {
		name    string
		refused string
		// abi is the version of Landlock that refuses it.
		abi int
		// notEvenGranted says that the grant does not give it.
		notEvenGranted bool
	}{
		{name: "write_file", refused: "EACCES", abi: 1},
		{name: "append_file", refused: "EACCES", abi: 1},
		{name: "reopened_file", refused: "EACCES", abi: 1},
		{name: "reopened_path", refused: "EACCES", abi: 1},
		{name: "other_root", refused: "EACCES", abi: 1},
		{name: "from_within", refused: "EACCES", abi: 1},
		{name: "write_fifo", refused: "EACCES", abi: 1},
		{name: "unnamed_file", refused: "EACCES", abi: 1},
		{name: "truncate", refused: "EACCES", abi: 3},
		{name: "truncate_on_open", refused: "EACCES", abi: 3},
		{name: "make_reg", refused: "EACCES", abi: 1},
		{name: "make_node", refused: "EACCES", abi: 1},
		{name: "make_dir", refused: "EACCES", abi: 1},
		{name: "make_sym", refused: "EACCES", abi: 1},
		{name: "make_fifo", refused: "EACCES", abi: 1},
		{name: "make_sock", refused: "EACCES", abi: 1},
		{name: "make_char", refused: "EACCES", abi: 1, notEvenGranted: true},
		{name: "remove_file", refused: "EACCES", abi: 1},
		{name: "remove_dir", refused: "EACCES", abi: 1},
		{name: "rename", refused: "EACCES", abi: 1},
		{name: "refer", refused: "EACCES", abi: 2},
		{name: "exchange", refused: "EACCES", abi: 1},
		{name: "link", refused: "EACCES", abi: 2},
		{name: "link_open_file", refused: "EACCES", abi: 1},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			l := l.of(t)
			got := l.attempt(l.ordinary(mount(hostFolder(t), false)), []change{withoutReadOnly}, test.name)
			if want := test.refused; abi >= test.abi && got != want {
				t.Errorf("not granted: %q, want %s", got, want)
			}
			got = l.attempt(l.ordinary(mount(hostFolder(t), false)), []change{withoutReadOnly, withoutLandlock}, test.name)
			if got != "SUCCEEDED" {
				t.Errorf("neither granted nor held: %q, so that Landlock's refusal proves nothing", got)
			}
			want := "SUCCEEDED"
			if test.notEvenGranted {
				if abi < 3 {
					return // Linux 6.1 has been seen to let it through
				}
				want = test.refused
			}
			if got = l.attempt(l.ordinary(mount(hostFolder(t), true)), nil, test.name); abi >= test.abi && got != want {
				t.Errorf("granted: %q, want %s", got, want)
			}
		})
	}
}

// TestLandlockAlone is about what no mount keeps a container from.
func TestLandlockAlone(t *testing.T) {
	l := newLandlockLab(t)
	dir := hostFolder(t)
	tty, err := container.OpenTerminal()
	if err != nil {
		t.Fatal(err)
	}
	defer tty.Close()
	handOut(t, filepath.Join(dir, "hands"), tty.Slave)
	free, name := freePort(t), "lpm-test-landlock-"+strconv.Itoa(os.Getpid())
	abstract(t, name)
	port := listener(t)

	mount := func(m *manifest.Manifest) {
		m.Mounts = append(m.Mounts, manifest.Mount{Path: "/host", Host: dir})
	}
	write := func(m *manifest.Manifest) { m.Mounts[len(m.Mounts)-1].Write = true }
	admin := func(m *manifest.Manifest) {
		mount(m)
		m.Capabilities = append(m.Capabilities, manifest.Capability{Name: "CAP_SYS_ADMIN"})
		m.Execute = []manifest.Program{{Path: manifest.AnyProgram}}
		grant(m, "mount", "mount_setattr", "open_tree", "unshare")
	}
	nested := func(m *manifest.Manifest) { admin(m); m.Capabilities = nil }
	tests := []struct {
		name    string
		args    []string
		base    func(m *manifest.Manifest)
		changes []change
		refused string
		abi     int
		grant   func(m *manifest.Manifest)
		// terminal grants it by giving the container this terminal.
		terminal bool
	}{
		{name: "write_fifo", base: mount, refused: "EACCES", abi: 1, grant: write},
		{name: "ioctl_dev", base: mount, refused: "EACCES", abi: 5, terminal: true},
		{name: "write_dev", base: mount, refused: "EACCES", abi: 1, terminal: true},
		// mount_setattr asks no security module: without Landlock, whoever
		// has CAP_SYS_ADMIN takes the read-only flag off. Before Landlock
		// knew of truncating, nothing is started for them.
		{name: "remount", base: admin, refused: "EACCES", abi: 3, grant: write},
		{name: "detached", base: admin, refused: "EACCES", abi: 3, grant: write},
		{name: "bind_over", base: admin, refused: "EPERM", abi: 3},
		{name: "abstract_stream", args: []string{name}, base: hostNetwork(0, 0), refused: "EPERM", abi: 6},
		{name: "abstract_datagram", args: []string{name + "-datagram"}, base: hostNetwork(0, 0), refused: "EPERM", abi: 6},
		{name: "signal_outside", args: []string{strconv.Itoa(os.Getpid())}, changes: []change{withoutPIDNamespace}, refused: "EPERM", abi: 6},
		{name: "connect_mapped", args: []string{strconv.Itoa(int(port))}, base: hostNetwork(1, 0), refused: "EACCES", abi: 4, grant: hostNetwork(port, 0)},
		{name: "bind_unspecified", args: []string{strconv.Itoa(int(free))}, base: hostNetwork(0, 1), refused: "EACCES", abi: 4, grant: hostNetwork(0, free)},
		{name: "connect_reused", args: []string{strconv.Itoa(int(port)), strconv.Itoa(int(listener(t)))}, base: hostNetwork(1, 0), refused: "EACCES", abi: 4, grant: hostNetwork(port, 0)},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			l := l.of(t)
			if l.landlock() < test.abi {
				t.Skipf("needs Landlock's ABI %d", test.abi)
			}
			args := append([]string{test.name}, test.args...)
			if got := l.attempt(l.ordinary(test.base), test.changes, args...); got != test.refused {
				t.Errorf("not granted: %q, want %s", got, test.refused)
			}
			if got := l.attempt(l.ordinary(test.base), append(test.changes, withoutLandlock), args...); got != "SUCCEEDED" {
				t.Errorf("neither granted nor held: %q, so that Landlock's refusal proves nothing", got)
			}
			if test.grant == nil && !test.terminal {
				return
			}
			if test.terminal {
				l.tty, l.options.TTY, l.options.Console = tty, true, tty.Path
			}
			if got := l.attempt(l.ordinary(test.base, test.grant), nil, args...); got != "SUCCEEDED" {
				t.Errorf("granted: %q", got)
			}
		})
	}
	// There are no rules about files for whoever may mount in namespaces of
	// its own, and no need: there the flags are locked.
	if got := l.attempt(l.ordinary(nested), nil, "remount_in_namespace"); got != "EPERM" {
		t.Errorf("the read-only flag was taken off in a namespace: %q", got)
	}
}

// TestLandlockSignalByOwner has the kernel send a signal in the container's
// name to a process of the host, when there is something to read.
func TestLandlockSignalByOwner(t *testing.T) {
	l := newLandlockLab(t)
	if l.landlock() < 6 {
		t.Skip("needs Landlock's ABI 6")
	}
	got := make(chan os.Signal, 1)
	signal.Notify(got, unix.SIGUSR1)
	defer signal.Stop(got)
	for _, test := range []struct {
		name    string
		changes []change
		arrives bool
	}{
		{"held", []change{withoutPIDNamespace}, false},
		{"not held", []change{withoutPIDNamespace, withoutLandlock}, true},
	} {
		t.Run(test.name, func(t *testing.T) {
			l := l.of(t)
			// What the kernel does not let through it does not report.
			if out := l.attempt(l.ordinary(), test.changes, "signal_by_owner", strconv.Itoa(os.Getpid())); out != "SUCCEEDED" {
				t.Fatalf("the attempt itself failed: %s", out)
			}
			arrived := false
			select {
			case <-got:
				arrived = true
			case <-time.After(map[bool]time.Duration{true: 10 * time.Second, false: 100 * time.Millisecond}[test.arrives]):
			}
			if arrived != test.arrives {
				t.Errorf("arrived %t, want %t", arrived, test.arrives)
			}
		})
	}
}

// handOut passes a descriptor to whoever connects to a socket, until the test
// ends.
func handOut(t *testing.T, path string, f *os.File) {
	t.Helper()
	l, err := net.Listen("unix", path)
	if err != nil {
		t.Fatal(err)
	}
	done := make(chan struct{})
	go func() {
		defer close(done)
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			c.(*net.UnixConn).WriteMsgUnix([]byte{1}, unix.UnixRights(int(f.Fd())), nil)
			c.Close()
		}
	}()
	t.Cleanup(func() { l.Close(); <-done })
}

// abstract listens on abstract sockets of the host until the test ends.
func abstract(t *testing.T, name string) {
	t.Helper()
	l, err := net.Listen("unix", "@"+name)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	d, err := net.ListenPacket("unixgram", "@"+name+"-datagram")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { d.Close() })
}

// TestLandlockLeavesAlone: what ordinary programs do goes on working, with one
// id and with a range, with all of the image to read and with a part.
func TestLandlockLeavesAlone(t *testing.T) {
	l := newLandlockLab(t)
	for _, mode := range []manifest.IdentityMode{manifest.IdentitySingle, manifest.IdentityRange} {
		for _, narrow := range []bool{false, true} {
			t.Run(fmt.Sprintf("%s, narrowed %t", mode, narrow), func(t *testing.T) {
				l := l.of(t)
				dir := t.TempDir()
				o := l.run(l.ordinary(func(m *manifest.Manifest) {
					m.Identity.Mode = mode
					m.Filesystem.Writable = []manifest.WritablePath{{Path: "/tmp"}, {Path: "/app"}}
					m.Mounts = append(m.Mounts, manifest.Mount{Path: "/data", Volume: "data", Write: true},
						manifest.Mount{Path: "/host", Host: dir, Write: true})
					m.Devices = []manifest.Device{{Path: "/dev/ptmx"}}
					if narrow {
						m.Filesystem.Readable = []manifest.ReadablePath{{Path: "/usr"}, {Path: "/etc"}}
					}
					if mode == manifest.IdentityRange {
						// These folders belong to root, of the image or of
						// the host.
						m.Capabilities = []manifest.Capability{{Name: "CAP_DAC_OVERRIDE"}}
					}
				}), "/attack/landlock.py", "everyday")
				if o.out != "DONE\n" {
					t.Errorf("what no longer works:\n%s%s%+v", o.out, o.err, o.Denials)
				}
			})
		}
	}
}

// TestLandlockTerminal: a container's own terminal is there under all its
// names, one of which leads to where it is on the host.
func TestLandlockTerminal(t *testing.T) {
	l := newLandlockLab(t)
	for _, narrow := range []bool{false, true} {
		t.Run(fmt.Sprintf("narrowed %t", narrow), func(t *testing.T) {
			l := l.of(t)
			tty, err := container.OpenTerminal()
			if err != nil {
				t.Fatal(err)
			}
			defer tty.Close()
			l.options.TTY, l.options.Console = true, tty.Path
			p, done, err := l.prepare(t.Context(), plan.Enforce, l.ordinary(func(m *manifest.Manifest) {
				if narrow {
					m.Filesystem.Readable = []manifest.ReadablePath{{Path: "/usr"}, {Path: "/etc"}}
				}
			}), "/attack/landlock.py", "terminal")
			if err != nil {
				t.Fatal(err)
			}
			defer done()
			in, out := l.file("in"), l.file("out")
			attached := make(chan error, 1)
			_, err = p.Run(t.Context(), container.Streams{In: tty.Slave, Out: tty.Slave, Err: tty.Slave}, nil, container.Observer{
				Started: func(int) { go func() { attached <- tty.Attach(t.Context(), in, out) }() },
			})
			if err != nil {
				t.Fatal(err)
			}
			if err := <-attached; err != nil {
				t.Error(err)
			}
			if got := content(t, out); !strings.Contains(got, "DONE") {
				t.Errorf("got %q", got)
			}
		})
	}
}

// TestLandlockStreams: /dev/stdout leads to whatever the caller's stream is,
// which is below no folder that a rule could name.
func TestLandlockStreams(t *testing.T) {
	l := newLandlockLab(t)
	null, err := os.OpenFile(os.DevNull, os.O_RDWR, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer null.Close()
	fifo := filepath.Join(t.TempDir(), "fifo")
	if err := unix.Mkfifo(fifo, 0o600); err != nil {
		t.Fatal(err)
	}
	// One that can be opened before anybody reads.
	named, err := os.OpenFile(fifo, os.O_RDWR, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer named.Close()
	read, pipe, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer read.Close()
	defer pipe.Close()
	for name, out := range map[string]*os.File{"/dev/null": null, "a FIFO": named, "a pipe": pipe, "a file": l.file("out")} {
		for _, mode := range []manifest.IdentityMode{manifest.IdentitySingle, manifest.IdentityRange} {
			t.Run(name+", "+string(mode), func(t *testing.T) {
				l := l.of(t)
				l.options.Entrypoint = []string{"/usr/bin/dash"}
				m := l.ordinary(func(m *manifest.Manifest) { m.Identity.Mode = mode })
				p, done, err := l.prepare(t.Context(), plan.Enforce, m, "-c", "echo line > /dev/stdout")
				if err != nil {
					t.Fatal(err)
				}
				defer done()
				errs := l.file("err")
				r, err := p.Run(t.Context(), container.Streams{In: null, Out: out, Err: errs}, nil, container.Observer{})
				if err != nil || r.Code != 0 {
					t.Errorf("code %d, error %v: %s", r.Code, err, content(t, errs))
				}
			})
		}
	}
}

// TestLandlockServer: a real server that switches its user, as the images of
// most do, writes its logs to /dev/stdout and keeps files of clients.
func TestLandlockServer(t *testing.T) {
	l := newLab(t, "nginx")
	port := freePort(t)
	conf := t.TempDir()
	text := fmt.Sprintf(`daemon off; user www-data; worker_processes 2; pid /tmp/nginx.pid; error_log stderr;
events {}
http {
	access_log /dev/stdout;
	client_body_temp_path /var/lib/nginx/body; client_body_in_file_only on;
	proxy_temp_path /tmp/proxy; fastcgi_temp_path /tmp/fastcgi; uwsgi_temp_path /tmp/uwsgi; scgi_temp_path /tmp/scgi;
	server {
		listen 127.0.0.1:%d;
		location / { root /srv/www; }
		location /post { proxy_pass http://127.0.0.1:%[1]d/; proxy_method GET; }
	}
}`, port)
	if err := os.WriteFile(filepath.Join(conf, "nginx.conf"), []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
	m := (&landlockLab{lab: l}).ordinary(func(m *manifest.Manifest) {
		hostNetwork(port, port)(m)
		m.Identity.Mode = manifest.IdentityRange
		m.Execute = []manifest.Program{{Path: "/usr/sbin/nginx"}}
		m.Filesystem.Writable = []manifest.WritablePath{{Path: "/tmp"}, {Path: "/var/lib/nginx"}}
		m.Mounts = []manifest.Mount{{Path: "/conf", Host: conf}}
		for _, c := range []string{"CAP_SETUID", "CAP_SETGID", "CAP_CHOWN", "CAP_DAC_OVERRIDE"} {
			m.Capabilities = append(m.Capabilities, manifest.Capability{Name: c})
		}
	})
	l.user, l.options.BestEffort = "root", l.landlock() < 6
	p, done, err := l.prepare(t.Context(), plan.Enforce, m, "-c", "/conf/nginx.conf")
	if err != nil {
		t.Fatal(err)
	}
	defer done()
	out, errs, queue := l.file("out"), l.file("err"), newQueue(t)
	asked := make(chan error, 1)
	r, err := p.Run(t.Context(), container.Streams{In: l.file("in"), Out: out, Err: errs}, queue, container.Observer{
		Started: func(int) {
			go func() {
				asked <- post(fmt.Sprintf("http://127.0.0.1:%d/post", port))
				_ = queue.Send(unix.SIGQUIT)
			}()
		},
	})
	if askErr := <-asked; err != nil || r.Code != 0 || askErr != nil || len(r.Denials) > 0 {
		t.Errorf("code %d, error %v, answer %v, denials %+v\n%s", r.Code, err, askErr, r.Denials, content(t, errs))
	}
	if log := content(t, out); !strings.Contains(log, `"POST /post HTTP/1.1" 200`) {
		t.Errorf("the log is %q", log)
	}
}

// post sends more than a server keeps in memory, as soon as it answers.
func post(url string) error {
	var err error
	for range 500 {
		var r *http.Response
		if r, err = http.Post(url, "text/plain", strings.NewReader(strings.Repeat("x", 1<<16))); err == nil {
			r.Body.Close()
			if r.StatusCode != http.StatusOK {
				return errors.New(r.Status)
			}
			return nil
		}
		time.Sleep(20 * time.Millisecond)
	}
	return err
}
