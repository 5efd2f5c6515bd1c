package vulnerabilities

import (
	"slices"
	"testing"

	"github.com/least-privilege/lpm/manifest"
)

// allowing returns a manifest with the given calls and capabilities.
func allowing(t *testing.T, calls []string, capabilities ...string) *manifest.Manifest {
	t.Helper()
	m := &manifest.Manifest{Version: manifest.Version}
	m.Syscalls.Architecture, m.Syscalls.Kernel = "amd64", "6.18"
	m.Identity.Mode, m.Network.Mode = manifest.IdentitySingle, manifest.NetworkPrivate
	for _, text := range calls {
		a, err := parse(text)
		if err != nil {
			t.Fatal(err)
		}
		m.Syscalls.Allow = append(m.Syscalls.Allow, manifest.Syscall{Name: a.name, When: a.when})
	}
	for _, name := range capabilities {
		m.Capabilities = append(m.Capabilities, manifest.Capability{Name: name})
	}
	return m
}

func has(list []Vulnerability, id string) bool {
	return slices.ContainsFunc(list, func(v Vulnerability) bool { return v.ID == id })
}

// TestOpen has for each rule a manifest that leaves a vulnerability open, and
// one like it that closes it.
func TestOpen(t *testing.T) {
	host := func(m *manifest.Manifest) { m.Network.Mode = manifest.NetworkHost }
	for _, test := range []struct {
		name         string
		id           string
		calls        []string
		capabilities []string
		change       func(*manifest.Manifest)
		open         bool
	}{
		{name: "a call", id: "CVE-2021-41073", calls: []string{"io_uring_setup"}, open: true},
		{name: "another call", id: "CVE-2021-41073", calls: []string{"read"}},
		{name: "all calls that it takes", id: "CVE-2022-1043", calls: []string{"io_uring_setup", "io_uring_register"}, open: true},
		{name: "one of the calls that it takes", id: "CVE-2022-1043", calls: []string{"io_uring_setup"}},
		{name: "an argument that is allowed", id: "CVE-2024-50264", calls: []string{"socket(0=AF_INET,AF_VSOCK)"}, open: true},
		{name: "an argument that is not", id: "CVE-2024-50264", calls: []string{"socket(0=AF_INET,AF_UNIX)"}},
		{name: "raw packets with the capability", id: "CVE-2020-14386", calls: []string{"socket", "setsockopt"}, capabilities: []string{"CAP_NET_RAW"}, open: true},
		{name: "raw packets without it", id: "CVE-2020-14386", calls: []string{"socket", "setsockopt"}},
		{name: "raw packets with it and without the family", id: "CVE-2020-14386", calls: []string{"socket(0=AF_INET,AF_UNIX)", "setsockopt"}, capabilities: []string{"CAP_NET_RAW"}},
		{name: "the capability over the machine's network is none", id: "CVE-2020-14386", calls: []string{"socket", "setsockopt"}, capabilities: []string{"CAP_NET_RAW"}, change: host},
		{name: "a new network on the machine's", id: "CVE-2020-14386", calls: []string{"socket", "setsockopt", "unshare"}, change: host, open: true},
		{name: "nf_tables by a user namespace", id: "CVE-2024-1086", calls: []string{"socket(0=AF_NETLINK)", "unshare"}, open: true},
		{name: "nf_tables by a user namespace without a network", id: "CVE-2024-1086", calls: []string{"socket(0=AF_NETLINK)", "unshare(0=CLONE_NEWUSER)"}},
		{name: "nf_tables by clone3, whose flags nobody sees", id: "CVE-2024-1086", calls: []string{"socket(0=AF_NETLINK)", "clone3"}, open: true},
		{name: "nf_tables without namespaces", id: "CVE-2024-1086", calls: []string{"socket(0=AF_NETLINK)", "clone(0&CLONE_NEWUSER|CLONE_NEWNET=0)"}},
		{name: "netlink about routes alone", id: "CVE-2024-1086", calls: []string{"socket(0=AF_NETLINK;2=0)"}, capabilities: []string{"CAP_NET_ADMIN"}},
		{name: "packet scheduling by netlink about routes", id: "CVE-2022-2588", calls: []string{"socket(0=AF_NETLINK;2=0)"}, capabilities: []string{"CAP_NET_ADMIN"}, open: true},
		{name: "a file system's set-up as administrator", id: "CVE-2022-0185", calls: []string{"fsopen", "fsconfig"}, capabilities: []string{"CAP_SYS_ADMIN"}, open: true},
		{name: "a file system's set-up as no one", id: "CVE-2022-0185", calls: []string{"fsopen", "fsconfig"}},
		{name: "32-bit calls, which no manifest allows", id: "CVE-2021-22555", calls: []string{"socket", "setsockopt", "unshare"}, capabilities: []string{"CAP_NET_ADMIN"}},
		{name: "Bluetooth on the machine's network", id: "CVE-2023-51779", calls: []string{"socket", "ioctl"}, change: host, open: true},
		{name: "Bluetooth on another", id: "CVE-2023-51779", calls: []string{"socket", "ioctl"}},
		{name: "a device", id: "CVE-2014-0196", change: func(m *manifest.Manifest) { m.Devices = []manifest.Device{{Path: "/dev/ptmx"}} }, open: true},
		{name: "another device", id: "CVE-2014-0196", change: func(m *manifest.Manifest) { m.Devices = []manifest.Device{{Path: "/dev/fuse"}} }},
		{name: "a call that the architecture has", id: "CVE-2015-3290", calls: []string{"modify_ldt"}, open: true},
		{name: "a call that it does not have", id: "CVE-2015-3290", calls: []string{"modify_ldt"}, change: func(m *manifest.Manifest) { m.Syscalls.Architecture = "arm64" }},
	} {
		t.Run(test.name, func(t *testing.T) {
			m := allowing(t, test.calls, test.capabilities...)
			if test.change != nil {
				test.change(m)
			}
			if !has(Known(), test.id) {
				t.Fatalf("%s is not known", test.id)
			}
			if got := has(Open(m), test.id); got != test.open {
				t.Errorf("%s open: %t, want %t", test.id, got, test.open)
			}
		})
	}
}

// TestConditions holds entries to what their advisories and the kernel's code
// say, where that was got wrong once.
func TestConditions(t *testing.T) {
	host := func(m *manifest.Manifest) { m.Network.Mode = manifest.NetworkHost }
	for _, test := range []struct {
		name         string
		id           string
		calls        []string
		capabilities []string
		change       func(*manifest.Manifest)
		open         bool
	}{
		{name: "inotify_init is inotify_init1 without flags", id: "CVE-2010-4250", calls: []string{"inotify_init"}, open: true},
		{name: "sys_umount asks may_mount first", id: "CVE-2014-7975", calls: []string{"umount2"}},
		{name: "overlayfs by the container's own administrator", id: "CVE-2021-3493", calls: []string{"mount", "setxattr"}, capabilities: []string{"CAP_SYS_ADMIN"}, open: true},
		{name: "overlayfs by the newer calls", id: "CVE-2023-2640", calls: []string{"fsopen", "fsconfig", "fsmount", "setxattr"}, capabilities: []string{"CAP_SYS_ADMIN"}, open: true},
		{name: "overlayfs by no one", id: "CVE-2021-3493", calls: []string{"mount", "fsconfig", "setxattr"}},
		{name: "another network by the container's own administrator", id: "CVE-2017-15115", calls: []string{"socket", "unshare(0=CLONE_NEWNET)"}, capabilities: []string{"CAP_SYS_ADMIN"}, open: true},
		{name: "the notice goes to a netlink socket", id: "CVE-2017-11176", calls: []string{"mq_notify", "socket(0=AF_INET)"}},
		{name: "with one", id: "CVE-2017-11176", calls: []string{"mq_notify", "socket(0=AF_NETLINK)"}, open: true},
		{name: "any call that sends", id: "CVE-2017-17712", calls: []string{"socket", "setsockopt", "write"}, capabilities: []string{"CAP_NET_RAW"}, open: true},
		{name: "any call that gives pages back", id: "CVE-2018-18281", calls: []string{"mremap", "fallocate"}, open: true},
		{name: "asking for algorithms takes no capability", id: "CVE-2018-19854", calls: []string{"socket(0=AF_NETLINK;2=21)"}, change: host, open: true},
		{name: "and was not possible on another network", id: "CVE-2018-19854", calls: []string{"socket(0=AF_NETLINK;2=21)"}, capabilities: []string{"CAP_NET_ADMIN"}},
		{name: "NFC on the machine's network", id: "CVE-2021-23134", calls: []string{"socket"}, change: host, open: true},
		{name: "NFC on another", id: "CVE-2021-23134", calls: []string{"socket"}},
		{name: "NET/ROM on the machine's network", id: "CVE-2023-32269", calls: []string{"socket"}, change: host, open: true},
		{name: "NET/ROM on another", id: "CVE-2023-32269", calls: []string{"socket"}, capabilities: []string{"CAP_NET_ADMIN"}},
		{name: "sendfile to a pipe", id: "CVE-2022-0847", calls: []string{"sendfile"}, open: true},
		{name: "SCTP without its number", id: "CVE-2019-8956", calls: []string{"socket(0=AF_INET;1&0xf=SOCK_SEQPACKET;2=0)"}, open: true},
		{name: "TCP", id: "CVE-2019-8956", calls: []string{"socket(0=AF_INET;1&0xf=SOCK_STREAM;2=0,6)"}},
	} {
		t.Run(test.name, func(t *testing.T) {
			m := allowing(t, test.calls, test.capabilities...)
			if test.change != nil {
				test.change(m)
			}
			if got := has(Open(m), test.id); got != test.open || !has(Known(), test.id) {
				t.Errorf("%s open: %t, want %t", test.id, got, test.open)
			}
		})
	}
	// Rejected, for it is CVE-2023-31436.
	if has(Known(), "CVE-2023-2248") {
		t.Error("an ID that was rejected is in the table")
	}
}

func TestNothingAllowedNothingOpen(t *testing.T) {
	if open := Open(allowing(t, nil)); len(open) > 0 {
		t.Errorf("open: %v", open)
	}
}

// TestDocker compares with what is known of Docker's default: no user
// namespaces, no io_uring, no bpf, but raw sockets, ptrace and 32-bit calls.
func TestDocker(t *testing.T) {
	for _, text := range dockerCalls {
		a, err := parse(text)
		if err != nil {
			t.Error(err)
		}
		checkCall(t, "the profile", text, a)
	}
	for _, arch := range manifest.Architectures() {
		d := Docker(arch)
		d.Manifest.Resources = manifest.Resources{Memory: 1 << 30, PIDs: 100}
		if err := d.Manifest.Validate(); err != nil {
			t.Errorf("%s: %v", arch, err)
		}
		open := d.Open()
		for id, want := range map[string]bool{
			"CVE-2020-14386": true,            // AF_PACKET: CAP_NET_RAW is a default
			"CVE-2019-13272": true,            // ptrace, since Linux 4.8
			"CVE-2022-0847":  true,            // splice
			"CVE-2014-0038":  arch == "amd64", // x32
			"CVE-2026-31431": false,           // AF_ALG is not in the list since April 2026
			"CVE-2024-50264": false,           // AF_VSOCK neither
			"CVE-2024-1086":  false,           // no user namespace
			"CVE-2021-41073": false,           // io_uring was taken out in 2023
			"CVE-2021-3490":  false,           // bpf takes CAP_SYS_ADMIN or CAP_BPF
			"CVE-2022-1729":  false,           // so does perf_event_open
			"CVE-2016-0728":  false,           // keyctl
			"CVE-2014-0196":  true,            // /dev/ptmx
			"CVE-2022-2590":  false,           // userfaultfd
		} {
			if got := has(open, id); got != want {
				t.Errorf("%s: %s open: %t, want %t", arch, id, got, want)
			}
		}
		t.Logf("%s: Docker's default %s leaves %d of %d open", arch, DockerVersion, len(open), len(Known()))
	}
}
