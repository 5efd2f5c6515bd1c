package evidence

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"reflect"
	"strings"
	"testing"
	"time"
)

// full returns a record with every member set.
func full() *Record {
	seen := Seen{Count: 3, First: 12, Programs: []string{"/usr/sbin/nginx"}}
	return &Record{
		Version:      1,
		Image:        Image{Reference: "nginx:latest", Digest: "sha256:" + strings.Repeat("ab", 32)},
		Architecture: "amd64", Kernel: "6.18.44", Libc: "glibc 2.36", LPM: "0.1", Recorder: "ebpf",
		Workload: Workload{Command: []string{"nginx", "-g", "daemon off;"}, Exercise: "wrk <url>"},
		Started:  time.Date(2025, 11, 23, 10, 0, 0, 0, time.UTC), Duration: 30_000,
		Network: "host", Identity: Identity{Mode: "range", UID: 0, GID: 0, Groups: []uint32{4}},
		Lost: 1, Cancelled: 2, Truncated: map[string]uint64{"files": 9},
		Calls: []Call{{Architecture: "amd64", Number: 41, Name: "socket", Refused: "ENOSYS",
			Values: []Values{{Args: []Arg{{Arg: 0, Value: 2}, {Arg: 1, Value: 1 << 63}}, Seen: seen}}, Seen: seen}},
		Programs:     []Program{{Path: "/entry.sh", As: "/bin/entry", Interpreter: "/usr/bin/dash", Seen: seen}},
		Libraries:    []string{"/usr/lib/libz.so.1"},
		Files:        []File{{Path: "/run/nginx.pid", Access: []Access{Create, Write}, Seen: seen}},
		Reads:        []Read{{Path: "/etc/app.conf", Below: true, Seen: seen}},
		Devices:      []Device{{Path: "/dev/kvm", Write: true, Seen: seen}},
		Connects:     []Connect{{Family: "inet", Address: "192.0.2.1", Port: 53, Protocol: "udp", Seen: seen}},
		Binds:        []Bind{{Family: "inet", Address: "0.0.0.0", Port: 80, Protocol: "tcp", Listening: true, Seen: seen}},
		Names:        []Name{{Name: "api.example.com", Addresses: []string{"192.0.2.1"}, Seen: seen}},
		IDs:          []ID{{Kind: "uid", ID: 33, Seen: seen}},
		Capabilities: []Capability{{Name: "CAP_SETUID", Example: "setuid(33)", Seen: seen}},
		Signals:      []Signal{{Number: 15, To: OtherGroup, Seen: seen}},
		Limits:       []Limit{{Resource: "nofile", Value: 1024, Seen: seen}},
		Peaks:        Peaks{Memory: 1 << 20, Written: 4096, PIDs: 3, MilliCPU: 900},
	}
}

func TestRoundTrip(t *testing.T) {
	want := full()
	if v := reflect.ValueOf(*want); true {
		for i := range v.NumField() {
			if v.Field(i).IsZero() {
				t.Fatalf("full leaves %s unset", v.Type().Field(i).Name)
			}
		}
	}
	data, err := want.Encode()
	if err != nil {
		t.Fatal(err)
	}
	got, err := Decode(data)
	if err != nil {
		t.Fatal(err)
	}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("decoded %+v\nwant %+v", got, want)
	}
	if again, _ := got.Encode(); !bytes.Equal(again, data) {
		t.Errorf("encoded again:\n%s\nfirst:\n%s", again, data)
	}
}

func TestDecodeRefuses(t *testing.T) {
	data, err := full().Encode()
	if err != nil {
		t.Fatal(err)
	}
	good := string(data)
	replace := func(old, new string) string {
		if !strings.Contains(good, old) {
			t.Fatalf("the record has no %q", old)
		}
		return strings.Replace(good, old, new, 1)
	}
	for _, test := range []struct{ name, data, want string }{
		{"nothing", "", "EOF"},
		{"truncated", good[:strings.Index(good, `"calls"`)+4], "unexpected EOF"},
		{"data after it", good + "{}", "data after the record"},
		{"another version", replace(`"version": 1`, `"version": 2`), "version: 2"},
		{"unknown member", replace(`"kernel"`, `"colonel"`), `unknown member "colonel"`},
		{"known member in the wrong place", replace(`"kernel": "6.18.44"`, `"path": "/"`), "unknown field"},
		{"member in another case", replace(`"kernel"`, `"Kernel"`), `unknown member "Kernel"`},
		{"repeated member", replace(`"kernel": "6.18.44"`, `"kernel": "6.1", "kernel": "6.18"`), "repeated member"},
		{"not UTF-8", replace("nginx:latest", "nginx\xff"), "not UTF-8"},
		{"string too long", replace("nginx:latest", strings.Repeat("n", MaxText+1)), "string of 4097 bytes"},
		{"list too long", replace(`"/usr/lib/libz.so.1"`, `"/l"`+strings.Repeat(`,"/l"`, MaxList)), "more than 8192 elements"},
		{"too deep", replace(`"amd64"`, strings.Repeat("[", 10_000)), "deeper than 8"},
		{"bad digest", replace("sha256:ab", "sha256:AB"), "image.digest"},
		{"unknown architecture", replace(`"architecture": "amd64"`, `"architecture": "mips"`), "architecture"},
		{"unknown network", replace(`"network": "host"`, `"network": "moon"`), "network"},
		{"relative path", replace("/run/nginx.pid", "run/nginx.pid"), "files[0].path"},
		{"unclean path", replace("/run/nginx.pid", "/run/../etc/passwd"), "files[0].path"},
		{"longer than anything runs", replace(`"duration": 30000`, `"duration": 9223372036854775807`), "duration"},
		{"before its start", replace(`"duration": 30000`, `"duration": -1`), "duration"},
		{"after the end of time", replace(`"first": 12`, `"first": 9223372036854775807`), ".first"},
		{"a call that sends no signals", replace(`"to": "foreign"`, `"to": "foreign", "call": "read"`), "signals[0].call"},
		{"never seen", replace(`"count": 3`, `"count": 0`), "count: 0"},
		{"seventh argument", replace(`"arg": 0`, `"arg": 6`), "argument 6"},
		{"negative number", replace(`"number": 41`, `"number": -41`), "calls[0].number"},
		{"unknown access", replace(`"create"`, `"admire"`), "files[0].access"},
	} {
		t.Run(test.name, func(t *testing.T) {
			_, err := Decode([]byte(test.data))
			if !errors.Is(err, ErrFormat) || !strings.Contains(err.Error(), test.want) {
				t.Errorf("error %v, want one with %q", err, test.want)
			}
		})
	}
}

func TestDecodeBoundsSize(t *testing.T) {
	if _, err := Decode(make([]byte, MaxSize+1)); !errors.Is(err, ErrFormat) {
		t.Errorf("error %v, want ErrFormat", err)
	}
}

func TestEncodeRefusesWhatDecodeWould(t *testing.T) {
	for name, change := range map[string]func(*Record){
		"long list":   func(r *Record) { r.Libraries = make([]string, MaxList+1); fill(r.Libraries) },
		"long string": func(r *Record) { r.Workload.Exercise = strings.Repeat("x", MaxText+1) },
		"relative":    func(r *Record) { r.Files[0].Path = "tmp" },
	} {
		t.Run(name, func(t *testing.T) {
			r := full()
			change(r)
			if _, err := r.Encode(); !errors.Is(err, ErrFormat) {
				t.Errorf("error %v, want ErrFormat", err)
			}
		})
	}
}

func fill(paths []string) {
	for i := range paths {
		paths[i] = fmt.Sprintf("/lib%d.so", i)
	}
}

// FuzzDecode holds that whatever decodes can be encoded, and means the same
// afterwards.
func FuzzDecode(f *testing.F) {
	data, err := full().Encode()
	if err != nil {
		f.Fatal(err)
	}
	f.Add(data)
	f.Add([]byte(`{"version":1,"version":1}`))
	f.Add([]byte(`[[[[[[[[[[[`))
	f.Add(bytes.Replace(data, []byte("12"), []byte("1e2"), 1))
	f.Fuzz(func(t *testing.T, data []byte) {
		r, err := Decode(data)
		if err != nil {
			if !errors.Is(err, ErrFormat) {
				t.Errorf("error %v is not ErrFormat", err)
			}
			return
		}
		first, err := r.Encode()
		if err != nil {
			t.Fatalf("decoded but not encodable: %v", err)
		}
		again, err := Decode(first)
		if err != nil {
			t.Fatalf("encoded but not decodable: %v", err)
		}
		second, err := again.Encode()
		if err != nil || !bytes.Equal(first, second) {
			t.Fatalf("second encoding differs (%v):\n%s\n%s", err, first, second)
		}
		if !json.Valid(first) {
			t.Fatal("not JSON")
		}
	})
}
