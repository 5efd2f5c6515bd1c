package trace

import (
	"encoding/binary"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/least-privilege/lpm/manifest"
)

func TestComponents(t *testing.T) {
	for in, want := range map[string]string{
		"":                       "/",
		"a\x00":                  "/a",
		"file\x00lib\x00usr\x00": "/usr/lib/file",
		"memfd:code\x00\x00":     "memfd:code",
		"\x00\x00":               "",
		"new\nline\x00\xff\x00":  "/\xff/new\nline",
		"without an end":         "/without an en",
	} {
		if got := components([]byte(in)); got != want {
			t.Errorf("components(%q) = %q, want %q", in, got, want)
		}
	}
}

// FuzzDecode: whatever the bytes are, what is decoded lies within them.
func FuzzDecode(f *testing.F) {
	f.Add(make([]byte, eventData))
	long := make([]byte, eventData+24)
	binary.NativeEndian.PutUint64(long[eventLengths:], 3)
	binary.NativeEndian.PutUint64(long[eventLengths+24:], 16)
	f.Add(long)
	f.Add([]byte("short"))
	binary.NativeEndian.PutUint64(long[eventLengths+8:], 1<<63)
	f.Add(long)
	f.Fuzz(func(t *testing.T, b []byte) {
		e, err := decode(b)
		if err != nil {
			return
		}
		n := eventData
		for _, s := range e.strings {
			n += len(s)
			components(s)
			text(s)
			ids(s)
		}
		if n > len(b) {
			t.Errorf("%d bytes out of %d", n, len(b))
		}
	})
}

// What the programs in the kernel can take of a call is bounded.
func TestEveryCallFits(t *testing.T) {
	for _, arch := range manifest.Architectures() {
		infos, err := callInfos(arch)
		if err != nil {
			t.Fatal(err)
		}
		if n := binary.Size(callInfo{}); n != callInfoSize {
			t.Errorf("a callInfo has %d bytes, not %d", n, callInfoSize)
		}
		for _, s := range manifest.SyscallTable(arch) {
			if n := len(manifest.RecordedArgs(s.Name)); n > 2 {
				t.Errorf("%s: %d recorded arguments", s.Name, n)
			}
			i := infos[uint32(s.Number)]
			if (i.Kind == kindPath) != (i.Paths[0].Path != noArg) {
				t.Errorf("%s: %+v", s.Name, i)
			}
		}
	}
	for name, want := range map[string]kind{
		"openat": kindOpen, "rename": kindPath, "linkat": kindPath, "stat": nothing, "fchmod": kindDescriptor,
		"connect": kindAddress, "sendmmsg": kindMessages, "setgroups": kindGroups, "read": nothing,
	} {
		if got := infoOf(name).Kind; got != want {
			t.Errorf("%s is of kind %d, want %d", name, got, want)
		}
	}
	if p := infoOf("linkat").Paths; p[0].Dir != 0 || p[0].Path != 1 || p[1].Dir != 2 || p[1].Path != 3 {
		t.Errorf("the paths of linkat are %+v", p)
	}
}

func TestNeeded(t *testing.T) {
	took := func(kind string, id uint32) bool { return kind == "uid" && id == 33 }
	for _, test := range []struct {
		capability uint32
		call       string
		args       [2]uint64
		want       bool
	}{
		{unix.CAP_SETUID, "setuid", [2]uint64{33}, true},
		{unix.CAP_SETUID, "setuid", [2]uint64{0}, false},
		{unix.CAP_SETUID, "setresuid", [2]uint64{}, true},
		{unix.CAP_SETGID, "setgid", [2]uint64{33}, false},
		{unix.CAP_SETGID, "setgroups", [2]uint64{}, true},
		{unix.CAP_SETPCAP, "capset", [2]uint64{}, false},
		{unix.CAP_SETPCAP, "prctl", [2]uint64{unix.PR_CAPBSET_DROP}, true},
		{unix.CAP_FSETID, "chmod", [2]uint64{}, false},
		{unix.CAP_FSETID, "chmod", [2]uint64{0o2000}, true},
		{unix.CAP_FSETID, "write", [2]uint64{}, false},
		{unix.CAP_SYS_ADMIN, "mmap", [2]uint64{}, false},
		{unix.CAP_SYS_ADMIN, "listxattr", [2]uint64{}, false},
		{unix.CAP_SYS_ADMIN, "mount", [2]uint64{}, true},
		{unix.CAP_SYS_RESOURCE, "write", [2]uint64{}, false},
		{unix.CAP_SYS_RESOURCE, "setrlimit", [2]uint64{}, true},
		{unix.CAP_NET_ADMIN, "setsockopt", [2]uint64{unix.IPPROTO_TCP, unix.TCP_CONGESTION}, false},
		{unix.CAP_NET_ADMIN, "setsockopt", [2]uint64{unix.SOL_SOCKET, unix.SO_MARK}, true},
		{unix.CAP_CHOWN, "chown", [2]uint64{}, true},
	} {
		if got := needed(test.capability, test.call, test.args, took); got != test.want {
			t.Errorf("capability %d by %s%v: needed %t, want %t", test.capability, test.call, test.args, got, test.want)
		}
	}
}

func TestOverridden(t *testing.T) {
	base := event{override: true, mode: 0o640, owner: [2]uint32{33, 50}}
	with := func(change func(*event)) *event { e := base; change(&e); return &e }
	for name, test := range map[string]struct {
		event *event
		want  bool
	}{
		"nothing was looked for":      {with(func(e *event) { e.override = false }), false},
		"made in another's folder":    {with(func(e *event) { e.created = true; e.ids[3] = 33 }), true},
		"the owner":                   {with(func(e *event) { e.ids[3] = 33; e.flags = unix.O_RDWR }), false},
		"the group reads":             {with(func(e *event) { e.ids[7] = 50 }), false},
		"the group writes":            {with(func(e *event) { e.ids[7] = 50; e.flags = unix.O_WRONLY }), true},
		"a supplementary group reads": {with(func(e *event) { e.strings[2] = []byte{50, 0, 0, 0} }), false},
		"others":                      {with(func(*event) {}), true},
		"others, of a file for all":   {with(func(e *event) { e.mode = 0o666; e.flags = unix.O_WRONLY }), false},
	} {
		if got := test.event.overridden(); got != test.want {
			t.Errorf("%s: %t, want %t", name, got, test.want)
		}
	}
}
