package record

import (
	"encoding/binary"
	"net/netip"
	"reflect"
	"testing"
	"time"

	"github.com/least-privilege/lpm/analyzer/evidence"
	"golang.org/x/sys/unix"
)

// observingRecorder returns the record of a recorder that is told of each of the calls twice over.
func observingRecorder(t *testing.T, calls ...*Observed) *evidence.Record {
	t.Helper()
	r, err := NewObserving(options())
	if err != nil {
		t.Fatal(err)
	}
	begun := time.Date(2025, 11, 23, 9, 59, 0, 0, time.UTC)
	r.Begin(begun)
	for _, o := range calls {
		o.By, o.At, o.Count = "/bin/app", 5*time.Millisecond, 2
		r.Observe(o)
	}
	record := r.Record()
	if record.Recorder != "ebpf" || !record.Started.Equal(begun) || record.Lost > 0 {
		t.Errorf("recorder %q, started %s, lost %d", record.Recorder, record.Started, record.Lost)
	}
	if err := record.Validate(); err != nil {
		t.Error(err)
	}
	return record
}

// seen is what each of these calls has left.
var seen = evidence.Seen{Count: 2, First: 5, Programs: []string{"/bin/app"}}

func at(name string) map[uint64]ObservedPath {
	return map[uint64]ObservedPath{0x1000: {Name: name, Target: name}}
}

func TestObserveFiles(t *testing.T) {
	const address = 0x1000
	here := int32(unix.AT_FDCWD)
	tests := []struct {
		name   string
		call   Observed
		path   string
		access evidence.Access // none where nothing is noted
	}{
		{"made", Observed{Name: "openat", Args: [6]uint64{uint64(here), address, unix.O_CREAT | unix.O_WRONLY}, Paths: at("/f"), Created: true}, "/f", evidence.Create},
		{"written", Observed{Name: "openat", Args: [6]uint64{uint64(here), address, unix.O_WRONLY}, Paths: at("/f"), Mode: unix.S_IFREG}, "/f", evidence.Write},
		{"read", Observed{Name: "openat", Args: [6]uint64{uint64(here), address, unix.O_RDONLY}, Paths: at("/f"), Mode: unix.S_IFREG}, "", ""},
		{"a pipe", Observed{Name: "openat", Args: [6]uint64{uint64(here), address, unix.O_WRONLY}, Paths: at("pipe"), Mode: unix.S_IFIFO}, "", ""},
		{"a folder made", Observed{Name: "mkdir", Args: [6]uint64{address}, Paths: at("/d")}, "/d", evidence.MakeDir},
		{"removed", Observed{Name: "unlink", Args: [6]uint64{address}, Paths: at("/f")}, "/f", evidence.Remove},
		{"a mode by descriptor", Observed{Name: "fchmod", Args: [6]uint64{3}, Descriptors: map[int32]string{3: "/f"}}, "/f", evidence.Metadata},
		{"times by descriptor", Observed{Name: "utimensat", Args: [6]uint64{3}, Descriptors: map[int32]string{3: "/f"}}, "/f", evidence.Metadata},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			r := observingRecorder(t, &test.call)
			var want []evidence.File
			if test.access != "" {
				want = []evidence.File{{Path: test.path, Access: []evidence.Access{test.access}, Seen: seen}}
			}
			if !reflect.DeepEqual(r.Files, want) {
				t.Errorf("files %+v, want %+v", r.Files, want)
			}
		})
	}
}

func TestObserveOthers(t *testing.T) {
	const address = 0x1000
	name := make([]byte, unix.SizeofSockaddrInet4)
	binary.NativeEndian.PutUint16(name, unix.AF_INET)
	copy(name[2:], []byte{0, 80, 192, 0, 2, 1})
	r := observingRecorder(t,
		&Observed{
			Name: "connect", Args: [6]uint64{3, address, uint64(len(name))}, Memory: map[uint64][]byte{address: name},
			Socket: Socket{Type: unix.SOCK_STREAM, Protocol: unix.IPPROTO_TCP},
		},
		&Observed{Name: "listen", Args: [6]uint64{3}, Socket: Socket{Local: netip.MustParseAddrPort("127.0.0.1:80")}},
		&Observed{Name: "openat", Args: [6]uint64{0, address, unix.O_RDWR}, Paths: at("/dev/null"), Mode: unix.S_IFCHR},
		&Observed{Name: "setuid", Args: [6]uint64{33}, Effective: 1 << unix.CAP_SETUID},
	)
	if want := []evidence.Connect{{Family: "inet", Address: "192.0.2.1", Port: 80, Protocol: "tcp", Seen: seen}}; !reflect.DeepEqual(r.Connects, want) {
		t.Errorf("connects %+v", r.Connects)
	}
	if want := []evidence.Bind{{Family: "inet", Address: "127.0.0.1", Port: 80, Protocol: "tcp", Listening: true, Seen: seen}}; !reflect.DeepEqual(r.Binds, want) {
		t.Errorf("binds %+v", r.Binds)
	}
	if want := []evidence.Device{{Path: "/dev/null", Write: true, Seen: seen}}; !reflect.DeepEqual(r.Devices, want) {
		t.Errorf("devices %+v", r.Devices)
	}
	if want := []evidence.ID{{Kind: "uid", ID: 33, Seen: seen}}; !reflect.DeepEqual(r.IDs, want) {
		t.Errorf("ids %+v", r.IDs)
	}
	// They are for the kernel to tell, and not inferred.
	if len(r.Capabilities) > 0 {
		t.Errorf("capabilities %+v", r.Capabilities)
	}
}

// What an event does not have is a loss, not an absence.
func TestObserveWithout(t *testing.T) {
	r, err := NewObserving(options())
	if err != nil {
		t.Fatal(err)
	}
	r.Begin(time.Now())
	r.Observe(&Observed{Name: "mkdir", Args: [6]uint64{0x1000}})
	if lost := r.Record().Lost; lost != 1 {
		t.Errorf("lost %d", lost)
	}
}

// What is told of later may have happened before.
func TestObserveCountsAndFirst(t *testing.T) {
	r, err := NewObserving(options())
	if err != nil {
		t.Fatal(err)
	}
	r.Begin(time.Now())
	args := []evidence.Arg{{Arg: 0, Value: 2}}
	r.ObserveCall("amd64", 41, args, Doer{Program: "/b"}, 9*time.Millisecond, 3)
	r.ObserveCall("amd64", 41, args, Doer{Program: "/a", Check: true}, 4*time.Millisecond, 1)
	r.ObserveCapability("CAP_CHOWN", "chown", Doer{Program: "/a"}, time.Millisecond, 2)
	r.ObserveProgram(evidence.Program{Path: "/a"}, Doer{Program: "/b"}, time.Millisecond, 7)
	record := r.Record()
	want := evidence.Seen{Count: 4, Check: 1, First: 4, Programs: []string{"/a", "/b"}}
	if len(record.Calls) != 1 || record.Calls[0].Name != "socket" || !reflect.DeepEqual(record.Calls[0].Seen, want) || !reflect.DeepEqual(record.Calls[0].Values[0].Seen, want) {
		t.Errorf("calls %+v", record.Calls)
	}
	if len(record.Capabilities) != 1 || record.Capabilities[0].Count != 2 || record.Programs[0].Count != 7 {
		t.Errorf("capabilities %+v, programs %+v", record.Capabilities, record.Programs)
	}
}

func TestChangedPaths(t *testing.T) {
	for name, want := range map[string][]PathArg{
		"mkdir": {{-1, 0}}, "mkdirat": {{0, 1}}, "rename": {{-1, 0}, {-1, 1}}, "renameat2": {{0, 1}, {2, 3}},
		"symlinkat": {{1, 2}}, "utimensat": {{0, 1}}, "stat": nil, "newfstatat": nil, "read": nil, "openat": nil,
	} {
		if got := ChangedPaths(name); !reflect.DeepEqual(got, want) {
			t.Errorf("ChangedPaths(%q) = %v, want %v", name, got, want)
		}
	}
}
