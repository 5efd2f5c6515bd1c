package enforcer_test

import (
	"fmt"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/least-privilege/lpm/enforcer/plan"
	"github.com/least-privilege/lpm/enforcer/supervise"
	"github.com/least-privilege/lpm/manifest"
)

// number is the system call's number, as the test program takes it.
func number(t *testing.T, name string) string {
	t.Helper()
	info, ok := manifest.LookupSyscall(static(nil).Syscalls.Architecture, name)
	if !ok {
		t.Fatalf("no system call %q", name)
	}
	return strconv.Itoa(info.Number)
}

// TestPairs runs each attempt twice: refused where the manifest does not
// grant it, done where it does. What is refused without the supervisor's
// knowledge, by the file system or the namespaces, has no denial.
func TestPairs(t *testing.T) {
	l := newLab(t, "static")
	port := listener(t)
	address := "127.0.0.1:" + strconv.Itoa(int(port))
	shared := t.TempDir()
	if err := os.WriteFile(filepath.Join(shared, "file"), []byte("from the host\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	free := freePort(t)
	const personality, netlink = "135", "16"

	pairs := []struct {
		name  string
		args  []string
		base  func(m *manifest.Manifest)
		grant func(m *manifest.Manifest)
		// stderr is what the program says when it is refused.
		stderr string
		kind   supervise.Kind
		what   string
	}{
		{
			name: "a system call", args: []string{"syscall", number(t, "getpriority"), "0", "0"},
			grant:  func(m *manifest.Manifest) { grant(m, "getpriority") },
			stderr: "EPERM", kind: supervise.KindSyscall, what: "getpriority",
		},
		{
			name: "a call newer than the manifest knows", args: []string{"syscall", number(t, "cachestat"), "1", "0", "0", "0"},
			base:   func(m *manifest.Manifest) { m.Syscalls.Kernel = "6.4" },
			stderr: "ENOSYS", kind: supervise.KindSyscall, what: "cachestat",
		},
		{
			name: "a call's argument", args: []string{"syscall", personality, "0xffffffff"},
			base: func(m *manifest.Manifest) {
				m.Syscalls.Allow = append(m.Syscalls.Allow, manifest.Syscall{Name: "personality", When: []manifest.Condition{{Arg: 0, OneOf: []string{"0x8"}}}})
			},
			grant: func(m *manifest.Manifest) {
				m.Syscalls.Allow = append(m.Syscalls.Allow, manifest.Syscall{Name: "personality", When: []manifest.Condition{{Arg: 0, OneOf: []string{"0xffffffff"}}}})
			},
			stderr: "EPERM", kind: supervise.KindSyscall, what: "personality(",
		},
		{
			name: "a socket family", args: []string{"socket", netlink, "3", "0"},
			base: func(m *manifest.Manifest) {
				m.Syscalls.Allow = append(m.Syscalls.Allow, manifest.Syscall{Name: "socket", When: []manifest.Condition{{Arg: 0, OneOf: []string{"AF_UNIX"}}}})
			},
			grant: func(m *manifest.Manifest) {
				m.Syscalls.Allow = append(m.Syscalls.Allow, manifest.Syscall{Name: "socket", When: []manifest.Condition{{Arg: 0, OneOf: []string{"AF_NETLINK"}}}})
			},
			stderr: "EPERM", kind: supervise.KindSyscall, what: "socket(AF_NETLINK",
		},
		{
			name: "a program", args: []string{"spawn", "/other", "hello"},
			base:   spawns,
			grant:  func(m *manifest.Manifest) { m.Execute = append(m.Execute, manifest.Program{Path: "/other"}) },
			stderr: "EACCES", kind: supervise.KindProgram, what: "/other",
		},
		{
			name: "a script", args: []string{"spawn", "/script"},
			base:   spawns,
			grant:  func(m *manifest.Manifest) { m.Execute = append(m.Execute, manifest.Program{Path: "/script"}) },
			stderr: "EACCES", kind: supervise.KindProgram, what: "/script",
		},
		{
			name: "a program that is not there is not a denial", args: []string{"spawn", "/nothing"},
			base: spawns, stderr: "ENOENT",
		},
		{
			name: "a program in anonymous memory", args: []string{"memfd-exec", "/static", "hello"},
			base: func(m *manifest.Manifest) {
				spawns(m)
				grant(m, "memfd_create", "execveat", "copy_file_range", "sendfile")
			},
			grant:  func(m *manifest.Manifest) { m.Execute = []manifest.Program{{Path: manifest.AnyProgram}} },
			stderr: "EPERM",
		},
		{
			name: "a written file", args: []string{"write", "/tmp/file", "text"},
			grant: func(m *manifest.Manifest) {
				m.Filesystem.Writable = []manifest.WritablePath{{Path: "/tmp"}}
			},
			stderr: "EROFS",
		},
		{
			name: "a written file in a folder with content", args: []string{"write", "/dir/new", "text"},
			base: func(m *manifest.Manifest) { m.Mounts = []manifest.Mount{{Path: "/dir/host", Host: shared}} },
			grant: func(m *manifest.Manifest) {
				m.Filesystem.Writable = []manifest.WritablePath{{Path: "/dir"}}
			},
			stderr: "EROFS",
		},
		{
			name: "a file outside of what may be read", args: []string{"cat", "/script"},
			base: func(m *manifest.Manifest) { m.Filesystem.Readable = []manifest.ReadablePath{{Path: "/tmp"}} },
			grant: func(m *manifest.Manifest) {
				m.Filesystem.Readable = append(m.Filesystem.Readable, manifest.ReadablePath{Path: "/script"})
			},
			stderr: "EACCES",
		},
		{
			name: "a folder outside of what may be read", args: []string{"list", "/tmp"},
			base: func(m *manifest.Manifest) { m.Filesystem.Readable = []manifest.ReadablePath{{Path: "/script"}} },
			grant: func(m *manifest.Manifest) {
				m.Filesystem.Readable = append(m.Filesystem.Readable, manifest.ReadablePath{Path: "/tmp"})
			},
			stderr: "EACCES",
		},
		{
			name: "a host's folder", args: []string{"cat", "/host/file"},
			grant:  func(m *manifest.Manifest) { m.Mounts = []manifest.Mount{{Path: "/host", Host: shared}} },
			stderr: "ENOENT",
		},
		{
			name: "writing to a host's folder", args: []string{"write", "/host/new", "text"},
			base:   func(m *manifest.Manifest) { m.Mounts = []manifest.Mount{{Path: "/host", Host: shared}} },
			grant:  func(m *manifest.Manifest) { m.Mounts[0].Write = true },
			stderr: "EROFS",
		},
		{
			name: "a volume", args: []string{"write", "/data/file", "text"},
			grant: func(m *manifest.Manifest) {
				m.Mounts = []manifest.Mount{{Path: "/data", Volume: "data", Write: true}}
			},
			stderr: "ENOENT",
		},
		{
			name: "a device", args: []string{"cat", "/dev/kmsg"},
			stderr: "ENOENT",
		},
		{
			name: "the host's network", args: []string{"connect", "tcp", address},
			base:   sockets,
			grant:  hostNetwork(port, 0),
			stderr: "ECONNREFUSED",
		},
		{
			name: "an address outside with no network", args: []string{"connect", "tcp", "192.0.2.1:80"},
			base: sockets, stderr: "ENETUNREACH", kind: supervise.KindConnect, what: "192.0.2.1:80/tcp",
		},
		{
			name: "a port on the host's network", args: []string{"connect", "tcp", address},
			base:   func(m *manifest.Manifest) { sockets(m); hostNetwork(1, 0)(m) },
			grant:  hostNetwork(port, 0),
			stderr: "EACCES", kind: supervise.KindConnect, what: address + "/tcp",
		},
		{
			name: "a connection without the call to make one", args: []string{"connect", "tcp", address},
			base: func(m *manifest.Manifest) {
				sockets(m)
				hostNetwork(port, 0)(m)
				m.Syscalls.Allow = slices.DeleteFunc(m.Syscalls.Allow, func(s manifest.Syscall) bool { return s.Name == "connect" })
			},
			grant:  func(m *manifest.Manifest) { grant(m, "connect") },
			stderr: "EPERM", kind: supervise.KindConnect, what: address + "/tcp",
		},
		{
			name: "a port to listen on", args: []string{"listen", "tcp", fmt.Sprintf("127.0.0.1:%d", free)},
			base:   func(m *manifest.Manifest) { sockets(m); hostNetwork(0, 1)(m) },
			grant:  hostNetwork(0, free),
			stderr: "EACCES", kind: supervise.KindListen, what: fmt.Sprintf("127.0.0.1:%d/tcp", free),
		},
		{
			name: "UDP on the host's network", args: []string{"socket", "2", "2", "0"},
			base:   func(m *manifest.Manifest) { sockets(m); hostNetwork(port, 0)(m) },
			stderr: "EPERM", kind: supervise.KindSyscall, what: "socket(AF_INET, SOCK_DGRAM, 0)",
		},
		{
			name: "MPTCP on the host's network, which Landlock does not know", args: []string{"socket", "2", "1", "262"},
			base:   func(m *manifest.Manifest) { sockets(m); hostNetwork(port, 0)(m) },
			stderr: "ENOSYS",
		},
		{
			name: "another protocol over TCP on the host's network, which Landlock does not know", args: []string{"syscall", number(t, "setsockopt"), "0", "6", "31", "s:smc", "4"},
			base:   func(m *manifest.Manifest) { sockets(m); hostNetwork(port, 0)(m) },
			stderr: "EPERM",
		},
		{
			name: "a range of ids", args: []string{"setid", "33", "33"},
			base: func(m *manifest.Manifest) { grant(m, "setgroups", "setresgid", "setresuid") },
			grant: func(m *manifest.Manifest) {
				m.Identity.Mode = manifest.IdentityRange
				m.Capabilities = []manifest.Capability{{Name: "CAP_SETUID"}, {Name: "CAP_SETGID"}}
			},
			stderr: "EPERM",
		},
		{
			name: "a capability", args: []string{"syscall", number(t, "chroot"), "s:/tmp"},
			base: func(m *manifest.Manifest) { grant(m, "chroot") },
			grant: func(m *manifest.Manifest) {
				m.Capabilities = []manifest.Capability{{Name: "CAP_SYS_CHROOT"}}
			},
			stderr: "EPERM",
		},
		{
			name: "a new user namespace by clone's flags", args: []string{"syscall", number(t, "clone"), "0x10000011", "0", "0", "0", "0"},
			stderr: "EPERM",
		},
		{
			name: "clone3, whose flags are out of sight", args: []string{"syscall", number(t, "clone3"), "0", "0"},
			base:   func(m *manifest.Manifest) { grant(m, "clone3") },
			stderr: "ENOSYS",
		},
		{
			name: "io_uring", args: []string{"syscall", number(t, "io_uring_setup"), "0", "0"},
			stderr: "ENOSYS",
		},
		{
			name: "typing into a terminal", args: []string{"syscall", number(t, "ioctl"), "0", "0x5412", "s:x"},
			stderr: "EPERM",
		},
		{
			name: "typing into a terminal, with a bit that the kernel does not read", args: []string{"syscall", number(t, "ioctl"), "0", "0x100005412", "s:x"},
			stderr: "EPERM",
		},
		{
			name: "changing a sysctl", args: []string{"write", "/proc/sys/kernel/hostname", "x"},
			stderr: "EROFS",
		},
	}
	for _, p := range pairs {
		t.Run(p.name, func(t *testing.T) {
			l := *l
			l.t = t
			// An older Landlock knows no ports. The supervisor refuses them
			// all the same, if not against a program that is out to race it.
			l.options.BestEffort = l.landlock() < 6
			o := l.run(static(p.base), p.args...)
			if o.Code != 1 || !strings.Contains(o.err, p.stderr) {
				t.Errorf("not granted: code %d, stdout %q, stderr %q; want code 1 and %s", o.Code, o.out, o.err, p.stderr)
			}
			checkDenial(t, o, p.kind, p.what)
			if p.grant == nil {
				return
			}
			o = l.run(static(func(m *manifest.Manifest) {
				if p.base != nil {
					p.base(m)
				}
				p.grant(m)
			}), p.args...)
			if o.Code != 0 || len(o.Denials) > 0 {
				t.Errorf("granted: code %d, stderr %q, denials %v", o.Code, o.err, o.Denials)
			}
		})
	}
}

// checkDenial wants the denial, or none at all where kind is empty.
func checkDenial(t *testing.T, o outcome, kind supervise.Kind, what string) {
	t.Helper()
	if kind == "" {
		if len(o.Denials) > 0 {
			t.Errorf("denials %+v, want none", o.Denials)
		}
		return
	}
	i := slices.IndexFunc(o.Denials, func(d supervise.Denial) bool {
		return d.Kind == kind && strings.HasPrefix(d.What, what)
	})
	if i < 0 {
		t.Fatalf("denials %+v, want one %s %s", o.Denials, kind, what)
	}
	if d := o.Denials[i]; d.Program != "/static" || d.Count == 0 || d.First.IsZero() || d.Grant.IsZero() {
		t.Errorf("denial %+v: program, count or grant is missing", d)
	}
}

// spawns grants what starting another program takes.
func spawns(m *manifest.Manifest) {
	grant(m, "vfork", "clone", "wait4", "waitid", "pipe2", "dup3", "fchdir", "faccessat2", "faccessat", "setsid", "getrlimit", "setrlimit")
}

// sockets grants what Go's net package takes.
func sockets(m *manifest.Manifest) {
	grant(m, "socket", "connect", "bind", "listen", "accept4", "getsockname", "getpeername", "setsockopt", "getsockopt", "sendto", "recvfrom", "shutdown")
}

// hostNetwork grants the host's network with a port to connect to and one to
// listen on, where they are not 0.
func hostNetwork(connect, listen uint16) func(m *manifest.Manifest) {
	return func(m *manifest.Manifest) {
		m.Network = manifest.Network{Mode: manifest.NetworkHost}
		if connect != 0 {
			m.Network.Egress = []manifest.Egress{{Ports: []manifest.PortRange{manifest.Port(connect)}, Protocol: manifest.TCP}}
		}
		if listen != 0 {
			m.Network.Listen = []manifest.Listen{{Port: listen, Protocol: manifest.TCP}}
		}
	}
}

// listener accepts connections on a loopback port until the test ends.
func listener(t *testing.T) uint16 {
	t.Helper()
	l, err := net.Listen("tcp4", "127.0.0.1:0")
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
			c.Close()
		}
	}()
	t.Cleanup(func() { l.Close(); <-done })
	return uint16(l.Addr().(*net.TCPAddr).Port)
}

func freePort(t *testing.T) uint16 {
	t.Helper()
	l, err := net.Listen("tcp4", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	return uint16(l.Addr().(*net.TCPAddr).Port)
}

// TestUnenforceable: a plan that asks for more than the host can hold to is
// refused, and runs where the caller says so.
func TestUnenforceable(t *testing.T) {
	l := newLab(t, "static")
	m := static(func(m *manifest.Manifest) {
		sockets(m)
		m.Network = manifest.Network{Mode: manifest.NetworkHost, Egress: []manifest.Egress{{Ports: []manifest.PortRange{manifest.Port(53)}, Protocol: manifest.UDP}}}
	})
	_, done, err := l.prepare(t.Context(), plan.Enforce, m, "hello")
	done()
	var refused *plan.UnenforceableError
	if !asError(err, &refused) || !strings.Contains(err.Error(), "UDP") {
		t.Fatalf("UDP on the host's network: error %v", err)
	}
	l.options.BestEffort = true
	if o := l.run(m, "hello"); o.Code != 0 {
		t.Errorf("with best effort: code %d, stderr %q", o.Code, o.err)
	}
}
