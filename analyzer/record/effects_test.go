package record

import (
	"encoding/binary"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/least-privilege/lpm/manifest"
	"golang.org/x/sys/unix"
)

func inet(a, b, c, d byte, port uint16) []byte {
	s := binary.NativeEndian.AppendUint16(nil, unix.AF_INET)
	s = binary.BigEndian.AppendUint16(s, port)
	return append(append(s, a, b, c, d), make([]byte, 8)...)
}

func local(name string) []byte {
	return append(binary.NativeEndian.AppendUint16(nil, unix.AF_UNIX), name...)
}

// socket gives the container a real socket under a number.
func (c *container) socket(t *testing.T, fd int32, domain, kind, protocol int) {
	t.Helper()
	s, err := unix.Socket(domain, kind|unix.SOCK_CLOEXEC, protocol)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { unix.Close(s) })
	c.sockets[fd] = s
}

func TestProtocolName(t *testing.T) {
	for _, test := range []struct {
		kind, protocol int
		want           string
	}{
		{unix.SOCK_STREAM, unix.IPPROTO_TCP, "tcp"}, {unix.SOCK_STREAM, unix.IPPROTO_MPTCP, "tcp"}, {unix.SOCK_STREAM, unix.IPPROTO_SCTP, "raw"},
		{unix.SOCK_DGRAM, unix.IPPROTO_UDP, "udp"}, {unix.SOCK_DGRAM, unix.IPPROTO_UDPLITE, "raw"},
		{unix.SOCK_DGRAM, unix.IPPROTO_ICMP, "icmp"}, {unix.SOCK_DGRAM, unix.IPPROTO_ICMPV6, "icmp"},
		{unix.SOCK_RAW, unix.IPPROTO_ICMP, "icmp"}, {unix.SOCK_RAW, unix.IPPROTO_ICMPV6, "icmp"}, {unix.SOCK_RAW, unix.IPPROTO_RAW, "raw"},
	} {
		if got := protocolName(test.kind, test.protocol); got != test.want {
			t.Errorf("type %d, protocol %d: %s, want %s", test.kind, test.protocol, got, test.want)
		}
	}
}

func TestSockets(t *testing.T) {
	connect := func(kind int, addr []byte) func(*testing.T, *container, *Recorder) {
		return func(t *testing.T, c *container, r *Recorder) {
			c.socket(t, 3, unix.AF_INET, kind, 0)
			c.make(t, r, "connect", 3, c.put(addr), uint64(len(addr)))
		}
	}
	play(t, []scene{
		{"TCP", connect(unix.SOCK_STREAM, inet(192, 0, 2, 1, 443)), []string{"connect inet 192.0.2.1 443 tcp"}},
		{"UDP", connect(unix.SOCK_DGRAM, inet(192, 0, 2, 1, 53)), []string{"connect inet 192.0.2.1 53 udp"}},
		{"IPv6", connect(unix.SOCK_STREAM, append(append([]byte{10, 0, 1, 187, 0, 0, 0, 0, 0x20, 1, 0x0d, 0xb8}, make([]byte, 11)...), 1, 0, 0, 0, 0)),
			[]string{"connect inet6 2001:db8::1 443 tcp"}},
		{"a peer taken away", connect(unix.SOCK_DGRAM, make([]byte, 16)), nil},
		{"an address cut short", connect(unix.SOCK_DGRAM, inet(192, 0, 2, 1, 53)[:5]), nil},
		{"a local socket", connect(unix.SOCK_STREAM, local("/run/log\x00")), []string{"connect unix /run/log 0 "}},
		{"an abstract socket", connect(unix.SOCK_STREAM, local("\x00bus")), []string{"connect unix @bus 0 "}},
		{"not a socket", func(t *testing.T, c *container, r *Recorder) {
			c.make(t, r, "connect", 9, c.put(inet(192, 0, 2, 1, 443)), 16)
		}, nil},
		{"datagrams", func(t *testing.T, c *container, r *Recorder) {
			c.socket(t, 3, unix.AF_INET, unix.SOCK_DGRAM, 0)
			c.make(t, r, "sendto", 3, 0, 0, 0, c.put(inet(192, 0, 2, 1, 1)), 16)
			c.make(t, r, "sendto", 3, 0, 0, 0, 0, 0)
			c.make(t, r, "sendmsg", 3, c.put(words(c.put(inet(192, 0, 2, 2, 2)), 16)), 0)
			first := c.put(words(c.put(inet(192, 0, 2, 3, 3)), 16))
			c.memory[first+64] = words(c.put(inet(192, 0, 2, 4, 4)), 16)
			c.make(t, r, "sendmmsg", 3, first, 2, 0)
		}, []string{
			"connect inet 192.0.2.1 1 udp", "connect inet 192.0.2.2 2 udp",
			"connect inet 192.0.2.3 3 udp", "connect inet 192.0.2.4 4 udp",
		}},
		{"a server", func(t *testing.T, c *container, r *Recorder) {
			c.socket(t, 3, unix.AF_INET, unix.SOCK_STREAM, 0)
			if err := unix.Bind(c.sockets[3], &unix.SockaddrInet4{Addr: [4]byte{127, 0, 0, 1}}); err != nil {
				t.Fatal(err)
			}
			name, err := unix.Getsockname(c.sockets[3])
			if err != nil {
				t.Fatal(err)
			}
			port := uint16(name.(*unix.SockaddrInet4).Port)
			c.make(t, r, "bind", 3, c.put(inet(127, 0, 0, 1, port)), 16)
			c.make(t, r, "listen", 3, 511)
			binds := r.Record().Binds
			if len(binds) != 1 || binds[0].Port != port || !binds[0].Listening || binds[0].Count != 1 {
				t.Errorf("bound %+v, want port %d", binds, port)
			}
			r.facts.binds = nil // its port is another one each time
		}, nil},
		{"a server at a port of the kernel's choice", func(t *testing.T, c *container, r *Recorder) {
			c.socket(t, 3, unix.AF_INET, unix.SOCK_STREAM, 0)
			c.make(t, r, "bind", 3, c.put(inet(127, 0, 0, 1, 0)), 16)
			if err := unix.Bind(c.sockets[3], &unix.SockaddrInet4{Addr: [4]byte{127, 0, 0, 1}}); err != nil {
				t.Fatal(err)
			}
			c.make(t, r, "listen", 3, 511)
		}, []string{"bind inet 127.0.0.1 0 tcp listening=true"}},
		{"a server without bind", func(t *testing.T, c *container, r *Recorder) {
			c.socket(t, 3, unix.AF_INET, unix.SOCK_STREAM, 0)
			c.make(t, r, "listen", 3, 511)
		}, []string{"bind inet 0.0.0.0 0 tcp listening=true"}},
		{"a local server", func(t *testing.T, c *container, r *Recorder) {
			addr := c.put(local("/run/app.sock\x00"))
			c.memory[addr+2] = []byte("/run/app.sock")
			c.make(t, r, "bind", 3, addr, 16)
		}, []string{"file /run/app.sock [create]"}},
		{"a port below 1024", func(t *testing.T, c *container, r *Recorder) {
			c.socket(t, 3, unix.AF_INET, unix.SOCK_STREAM, 0)
			c.make(t, r, "bind", 3, c.put(inet(0, 0, 0, 0, 80)), 16)
		}, []string{"bind inet 0.0.0.0 80 tcp listening=false", "CAP_NET_BIND_SERVICE: bind to port 80"}},
		{"raw sockets", func(t *testing.T, c *container, r *Recorder) {
			c.make(t, r, "socket", unix.AF_INET, unix.SOCK_RAW|unix.SOCK_CLOEXEC, unix.IPPROTO_ICMP)
			c.make(t, r, "socket", unix.AF_NETLINK, unix.SOCK_RAW, 0)
		}, []string{"CAP_NET_RAW: making a raw socket"}},
	})
}

func TestPrivilegesOfTheHostsNetwork(t *testing.T) {
	o := options()
	o.Network = manifest.NetworkHost
	c := newContainer()
	r := start(t, o, c)
	c.socket(t, 3, unix.AF_INET, unix.SOCK_STREAM, 0)
	c.make(t, r, "bind", 3, c.put(inet(0, 0, 0, 0, 80)), 16)
	c.make(t, r, "socket", unix.AF_PACKET, unix.SOCK_RAW, 0)
	if got := r.Record().Capabilities; got != nil {
		t.Errorf("recorded %+v: the container's capabilities mean nothing there", got)
	}
}

func TestIdentity(t *testing.T) {
	play(t, []scene{
		{"its own ids", func(t *testing.T, c *container, r *Recorder) {
			c.make(t, r, "setuid", 0)
			c.make(t, r, "setresgid", ^uint64(0), 0, ^uint64(0))
		}, nil},
		{"another user", func(t *testing.T, c *container, r *Recorder) {
			c.make(t, r, "setgid", 33)
			c.make(t, r, "setresuid", 33, 33, 33)
		}, []string{"id gid 33", "id uid 33", "CAP_SETGID: setgid to 33", "CAP_SETUID: setresuid to 33"}},
		{"ids that stay", func(t *testing.T, c *container, r *Recorder) {
			c.make(t, r, "setreuid", ^uint64(0), 0xffffffff)
		}, nil},
		{"back to a saved id", func(t *testing.T, c *container, r *Recorder) {
			c.cred.uids[1], c.cred.uids[3] = hostWWW, hostWWW
			c.make(t, r, "setuid", 0)
		}, nil},
		{"without the capability it fails, but was wanted", func(t *testing.T, c *container, r *Recorder) {
			c.cred = as(hostWWW, hostWWW)
			c.make(t, r, "setuid", 0)
		}, []string{"id uid 0"}},
		{"groups", func(t *testing.T, c *container, r *Recorder) {
			list := binary.NativeEndian.AppendUint32(binary.NativeEndian.AppendUint32(nil, 0), 33)
			c.make(t, r, "setgroups", 2, c.put(list))
		}, []string{"id group 33", "CAP_SETGID: setgroups"}},
		{"no groups any more", func(t *testing.T, c *container, r *Recorder) {
			c.make(t, r, "setgroups", 0, 0)
		}, []string{"CAP_SETGID: setgroups"}},
		{"more groups than there can be", func(t *testing.T, c *container, r *Recorder) {
			c.make(t, r, "setgroups", 1<<31-1, c.put(nil))
		}, []string{"CAP_SETGID: setgroups"}},
		{"signals", func(t *testing.T, c *container, r *Recorder) {
			foreign := as(hostWWW, 0)
			foreign.group, c.cred.pid = 8, 5
			c.targets = map[int][]credentials{7: {as(hostRoot, 0)}, -8: {as(hostRoot, 0), foreign}, -1: {foreign}}
			c.make(t, r, "kill", 7, 15)
			if n := len(r.Record().Capabilities); n != 0 {
				t.Errorf("%d capabilities for a signal to its own", n)
			}
			c.make(t, r, "kill", 99, 15) // gone
			c.make(t, r, "kill", 0xfffffff8, 15)
			c.make(t, r, "kill", 0xffffffff, 9)
			c.make(t, r, "tgkill", 5, 8, 10) // itself
		}, []string{"CAP_KILL: kill to a process of another user", "signal 9 to all", "signal 15 to foreign", "signal 15 to group"}},
		{"signals by other calls", func(t *testing.T, c *container, r *Recorder) {
			foreign := as(hostWWW, 0)
			foreign.pid, foreign.group, c.cred.pid, c.cred.group = 7, 7, 5, 5
			thread := c.cred
			c.targets = map[int][]credentials{7: {foreign}, 6: {thread}, -7: {foreign, foreign}}
			pidfd, err := unix.PidfdOpen(os.Getpid(), 0)
			if err != nil {
				t.Fatal(err)
			}
			defer unix.Close(pidfd)
			c.sockets[3], c.others = pidfd, map[int]credentials{os.Getpid(): foreign}
			c.make(t, r, "tkill", 6, 10) // another thread of its own
			c.make(t, r, "tkill", 7, 10)
			c.make(t, r, "tgkill", 7, 8, 12)
			c.make(t, r, "rt_tgsigqueueinfo", 7, 8, 14, 0)
			c.make(t, r, "rt_sigqueueinfo", 7, 13, 0)
			c.make(t, r, "pidfd_send_signal", 3, 15, 0, 0)
			c.make(t, r, "pidfd_send_signal", 3, 16, 0, 4)
			c.make(t, r, "pidfd_send_signal", 4, 17, 0, 0) // no descriptor
			// The kernel refuses these.
			for _, name := range []string{"tkill", "tgkill", "rt_sigqueueinfo", "rt_tgsigqueueinfo"} {
				c.make(t, r, name, 0xffffffff, 9, 9)
				c.make(t, r, name, 0, 9, 9)
			}
			var calls []string
			for _, s := range r.Record().Signals {
				calls = append(calls, s.Call)
			}
			if want := strings.Fields("tkill tgkill rt_sigqueueinfo rt_tgsigqueueinfo pidfd_send_signal pidfd_send_signal"); !slices.Equal(calls, want) {
				t.Errorf("sent by %q, want %q", calls, want)
			}
		}, []string{"CAP_KILL: tkill to a process of another user", "signal 10 to foreign", "signal 12 to foreign", "signal 13 to foreign",
			"signal 14 to foreign", "signal 15 to foreign", "signal 16 to foreign"}},
		{"privileges given up", func(t *testing.T, c *container, r *Recorder) {
			c.make(t, r, "prctl", unix.PR_CAPBSET_DROP, 1)
			c.make(t, r, "prctl", unix.PR_SET_NAME)
		}, []string{"CAP_SETPCAP: giving up capabilities for good"}},
		{"chroot", func(t *testing.T, c *container, r *Recorder) { c.make(t, r, "chroot", c.text("/var")) },
			[]string{"CAP_SYS_CHROOT: chroot"}},
		{"limits", func(t *testing.T, c *container, r *Recorder) {
			c.make(t, r, "prlimit64", 0, unix.RLIMIT_NOFILE, c.put(words(1024, 4096)), 0)
			c.make(t, r, "setrlimit", unix.RLIMIT_NOFILE, c.put(words(512, 512)))
			c.make(t, r, "prlimit64", 0, unix.RLIMIT_NOFILE, 0, 0) // only asks
			c.make(t, r, "prlimit64", 0, unix.RLIMIT_CORE, c.put(words(0, 0)), 0)
		}, []string{"limit nofile 1024"}},
	})
}

func TestFileCapabilities(t *testing.T) {
	www := as(hostWWW, hostWWW)
	play(t, []scene{
		{"writing another's log", func(t *testing.T, c *container, r *Recorder) {
			c.make(t, r, "openat", here, c.text("/var/log/access.log"), unix.O_WRONLY|unix.O_APPEND)
		}, []string{"file /var/log/access.log [write]", "CAP_DAC_OVERRIDE: openat of /var/log/access.log"}},
		{"reading it as a member of its group", func(t *testing.T, c *container, r *Recorder) {
			c.make(t, r, "openat", here, c.text("/var/log/access.log"), unix.O_RDONLY)
		}, nil},
		{"looking into another's folder", func(t *testing.T, c *container, r *Recorder) {
			c.make(t, r, "newfstatat", here, c.text("/var/lib/nginx/body"), 0, 0)
		}, []string{"CAP_DAC_READ_SEARCH: searching /var/lib/nginx"}},
		{"making a file in it", func(t *testing.T, c *container, r *Recorder) {
			c.make(t, r, "openat", here, c.text("/var/lib/nginx/new"), unix.O_CREAT|unix.O_WRONLY)
		}, []string{
			"file /var/lib/nginx/new [create]",
			"CAP_DAC_OVERRIDE: changing what is in /var/lib/nginx", "CAP_DAC_READ_SEARCH: searching /var/lib/nginx",
		}},
		{"its owner needs nothing", func(t *testing.T, c *container, r *Recorder) {
			c.cred = www
			c.make(t, r, "openat", here, c.text("/var/lib/nginx/new"), unix.O_CREAT|unix.O_WRONLY)
			c.make(t, r, "chmod", c.text("/var/lib/nginx"), 0o755)
		}, []string{"file /var/lib/nginx [metadata]", "file /var/lib/nginx/new [create]"}},
		{"files of ids outside the container's", func(t *testing.T, c *container, r *Recorder) {
			c.make(t, r, "openat", here, c.text("/var/lib/foreign/thing"), unix.O_RDONLY)
			c.make(t, r, "chmod", c.text("/var/lib/foreign/thing"), 0o600)
		}, []string{"file /var/lib/foreign/thing [metadata]"}},
		{"changing another's mode", func(t *testing.T, c *container, r *Recorder) {
			c.make(t, r, "chmod", c.text("/tmp/theirs"), 0o600)
		}, []string{"file /tmp/theirs [metadata]", "CAP_FOWNER: chmod of /tmp/theirs"}},
		{"removing another's file from a sticky folder", func(t *testing.T, c *container, r *Recorder) {
			f := c.files["/tmp"]
			f.uid = hostWWW
			c.files["/tmp"] = f
			c.make(t, r, "unlink", c.text("/tmp/theirs"))
		}, []string{"file /tmp/theirs [remove]", "CAP_FOWNER: unlink of /tmp/theirs"}},
		{"giving a file away", func(t *testing.T, c *container, r *Recorder) {
			c.make(t, r, "chown", c.text("/etc/passwd"), 33, ^uint64(0))
		}, []string{"file /etc/passwd [metadata]", "id owner 33", "CAP_CHOWN: chown of /etc/passwd"}},
		{"giving a file to its owner again", func(t *testing.T, c *container, r *Recorder) {
			c.make(t, r, "fchownat", here, c.text("/tmp/theirs"), 33, 33, 0)
		}, []string{"file /tmp/theirs [metadata]", "id owner 33", "id ownergroup 33", "CAP_CHOWN: fchownat of /tmp/theirs"}},
		{"keeping one's own file", func(t *testing.T, c *container, r *Recorder) {
			c.make(t, r, "chown", c.text("/etc/passwd"), 0, 0)
		}, []string{"file /etc/passwd [metadata]"}},
		{"a change of owner is seen by later checks", func(t *testing.T, c *container, r *Recorder) {
			read := func() { c.make(t, r, "openat", here, c.text("/etc/passwd"), unix.O_RDONLY) }
			read()
			c.make(t, r, "chown", c.text("/etc/passwd"), 33, 33)
			c.files["/etc/passwd"] = file{unix.S_IFREG | 0o600, hostWWW, hostWWW}
			read()
		}, []string{
			"file /etc/passwd [metadata]", "id owner 33", "id ownergroup 33",
			"CAP_CHOWN: chown of /etc/passwd", "CAP_DAC_READ_SEARCH: reading /etc/passwd",
		}},
	})
}
