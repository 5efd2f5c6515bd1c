package manifest

import (
	"errors"
	"strings"
	"testing"
)

const minimal = `{"version":1,"syscalls":{"architecture":"amd64","kernel":"6.18"}}`

// body puts fields into a minimal manifest.
func body(fields string) string {
	return strings.Replace(minimal, `{"version":1,`, `{"version":1,`+fields+`,`, 1)
}

func TestParseFillsDefaults(t *testing.T) {
	m, err := Parse([]byte(minimal))
	if err != nil {
		t.Fatal(err)
	}
	if m.Identity.Mode != IdentitySingle || m.Network.Mode != NetworkNone {
		t.Errorf("got identity %q, network %q", m.Identity.Mode, m.Network.Mode)
	}
}

// encoding/json lets most of these through.
func TestParseIsStrict(t *testing.T) {
	for _, tt := range []struct{ name, text, want string }{
		{"nothing", ``, "manifest, line 1, column 1: the document ends early"},
		{"end within", `{"version":1,`, "manifest, line 1, column 14: the document ends early"},
		{"not JSON", `{"version":1,,}`, "manifest, line 1, column"},
		{"list", `[]`, "manifest, line 1, column 1: expected an object"},
		{"null", body(`"mounts":null`), "manifest, line 1, column 23: mounts: expected a list"},
		{"unknown field", body(`"sycalls":{}`), `unknown field "sycalls"`},
		{"other capitals", strings.Replace(minimal, "version", "Version", 1), `unknown field "Version"`},
		{"field of embedded struct", body(`"Note":{}`), `unknown field "Note"`},
		{"given twice", body(`"version":1`), `field "version" appears twice`},
		{"second document", minimal + `{}`, "expected nothing after the manifest"},
		{"text after", minimal + "x", "expected nothing after the manifest"},
		{"not UTF-8", body(`"identity":{"reason":"` + "\xff" + `"}`), "column 36: expected UTF-8 text"},
		{"fraction", body(`"resources":{"memory":1.5}`), "resources.memory: expected a whole number"},
		{"exponent", body(`"resources":{"memory":1e9}`), "resources.memory: expected a whole number"},
		{"too large a number", body(`"resources":{"memory":9223372036854775808}`), "resources.memory: expected a whole number"},
		{"negative port", body(`"network":{"mode":"private","listen":[{"port":-1}]}`), "network.listen[0].port: expected a whole number from 0 to 65535"},
		{"number for text", body(`"execute":[{"path":1}]`), "execute[0].path: expected a string"},
		{"text for a truth", body(`"execute":[{"path":"/a","optional":"yes"}]`), "execute[0].optional: expected true or false"},
		{"ports as numbers", body(`"network":{"egress":[{"ports":[443]}]}`), "network.egress[0].ports[0]: expected a string"},
		{"ports spelled otherwise", body(`"network":{"egress":[{"ports":["0443"]}]}`), `network.egress[0].ports[0]: port range "0443"`},
		{"place in a later line", "{\n \"version\": 1,\n \"x\": 1}", `line 3, column 2: unknown field "x"`},
		{"lone surrogate", body(`"execute":[{"path":"/\ud800"}]`), "execute[0].path: expected a path of plain text"},
		{"long text", body(`"execute":[{"path":"/` + strings.Repeat("a", MaxString) + `"}]`), "execute[0].path: longer than 4096 bytes"},
		{"long list", body(`"devices":[` + strings.Repeat(`{"path":"/dev/a"},`, MaxEntries) + `{"path":"/dev/a"}]`), "devices: more than 4096 entries"},
		{"deep", strings.Repeat("[", 1<<17), "expected an object"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			_, err := Parse([]byte(tt.text))
			if err == nil || !strings.Contains(err.Error(), tt.want) {
				t.Errorf("got %v\nwant %s", err, tt.want)
			}
		})
	}
	if _, err := Parse(make([]byte, MaxSize+1)); !errors.Is(err, ErrTooLarge) {
		t.Errorf("a document too large gives %v", err)
	}
}

func TestValidate(t *testing.T) {
	const amd64 = `"syscalls":{"architecture":"amd64","kernel":"6.18"`
	syscalls := func(allow string) string {
		return strings.Replace(minimal, amd64, amd64+`,"allow":[`+allow+`]`, 1)
	}
	for _, tt := range []struct{ name, text, want string }{
		{"version", strings.Replace(minimal, "1", "2", 1), "version: expected 1"},
		{"architecture", strings.Replace(minimal, "amd64", "i386", 1), `syscalls.architecture: expected amd64 or arm64, not "i386"`},
		{"kernel", strings.Replace(minimal, "6.18", "6.018", 1), `syscalls.kernel: expected a kernel release such as "6.18", not "6.018"`},
		{"unknown call", syscalls(`{"name":"openat3"}`), `syscalls.allow[0].name: "openat3" is not a system call of amd64`},
		{"call twice", syscalls(`{"name":"read"},{"name":"read"}`), "syscalls.allow[1]: read is listed already, in entry 0"},
		{"call twice in other words", syscalls(`{"name":"socket","when":[{"arg":0,"oneOf":["AF_INET"]}]},{"name":"socket","when":[{"arg":0,"oneOf":["2"]}]}`), "syscalls.allow[1]: socket(0=AF_INET) is listed already"},
		{"argument that does not exist", syscalls(`{"name":"read","when":[{"arg":6,"oneOf":["1"]}]}`), "syscalls.allow[0].when[0]: argument 6 does not exist"},
		{"two conditions on one argument", syscalls(`{"name":"read","when":[{"arg":0,"oneOf":["1"]},{"arg":0,"oneOf":["2"]}]}`), "syscalls.allow[0].when[1].arg: argument 0 has two conditions"},
		{"no value", syscalls(`{"name":"read","when":[{"arg":0,"oneOf":[]}]}`), "the condition lists no values"},
		{"empty mask", syscalls(`{"name":"read","when":[{"arg":0,"mask":"0","oneOf":["0"]}]}`), "the mask selects no bits"},
		{"value outside of the mask", syscalls(`{"name":"read","when":[{"arg":0,"mask":"0xf","oneOf":["0x10"]}]}`), `"0x10" has bits outside of the mask 0xf`},
		{"value wider than the argument", syscalls(`{"name":"ioctl","when":[{"arg":1,"oneOf":["0x100005401"]}]}`), "has bits outside of the mask 0xffffffff"},
		{"capability", body(`"capabilities":[{"name":"CAP_ROOT"}]`), `capabilities[0].name: "CAP_ROOT" is not a capability`},
		{"identity", body(`"identity":{"mode":"root"}`), "identity.mode: expected"},
		{"relative program", body(`"execute":[{"path":"bin/sh"}]`), `execute[0].path: expected an absolute path, not "bin/sh"`},
		{"path with dots", body(`"execute":[{"path":"/bin/../sh"}]`), `expected "/sh", the clean form of "/bin/../sh"`},
		{"escape sequence", body(`"execute":[{"path":"/\u001b[2J"}]`), "it has the character U+001B"},
		{"reversed text", body(`"execute":[{"path":"/a\u202egnp.sh"}]`), "it has the character U+202E"},
		{"reason of two lines", body(`"identity":{"reason":"a\nb"}`), "identity.reason: expected one line of plain text"},
		{"long reason", body(`"identity":{"reason":"` + strings.Repeat("a", MaxReason+1) + `"}`), "identity.reason: expected at most 500 bytes"},
		{"reading the root", body(`"filesystem":{"readable":[{"path":"/"}]}`), "the whole image is readable when the list is empty"},
		{"writing to the root", body(`"filesystem":{"writable":[{"path":"/"}]}`), "the root of the container is always read-only"},
		{"writing to /proc", body(`"filesystem":{"writable":[{"path":"/proc/sys"}]}`), "/proc belongs to lpm"},
		{"tiny size", body(`"filesystem":{"writable":[{"path":"/tmp","size":64}]}`), "filesystem.writable[0].size: expected 4096 to"},
		{"mount of nothing", body(`"mounts":[{"path":"/a"}]`), "mounts[0]: expected exactly one of volume and host"},
		{"mount of two things", body(`"mounts":[{"path":"/a","volume":"a","host":"/a"}]`), "mounts[0]: expected exactly one of volume and host"},
		{"volume with a slash", body(`"mounts":[{"path":"/a","volume":"../a"}]`), "mounts[0].volume: expected a name"},
		{"host's /proc", body(`"mounts":[{"path":"/a","host":"/proc/1"}]`), "the host's /proc cannot be mounted"},
		{"mount over /dev", body(`"mounts":[{"path":"/dev","volume":"a"}]`), "/dev belongs to lpm"},
		{"mount on a writable path", body(`"filesystem":{"writable":[{"path":"/a"}]},"mounts":[{"path":"/a","volume":"a"}]`), "/a is a writable path already"},
		{"device elsewhere", body(`"devices":[{"path":"/tmp/x"}]`), "expected a device below /dev"},
		{"device that all have", body(`"devices":[{"path":"/dev/null"}]`), "every container has its own /dev/null"},
		{"network mode", body(`"network":{"mode":"bridge"}`), "network.mode: expected"},
		{"egress of no network", body(`"network":{"egress":[{"cidr":"192.0.2.0/24","ports":["1"],"protocol":"tcp"}]}`), "network.egress: expected nothing"},
		{"host and address", body(`"network":{"mode":"private","egress":[{"host":"a.b","cidr":"192.0.2.0/24","ports":["1"],"protocol":"tcp"}]}`), "expected exactly one of host and cidr"},
		{"address on the host's network", body(`"network":{"mode":"host","egress":[{"host":"a.b","ports":["1"],"protocol":"tcp"}]}`), "only ports can be held to the manifest"},
		{"address as a name", body(`"network":{"mode":"private","egress":[{"host":"192.0.2.1","ports":["1"],"protocol":"tcp"}]}`), "addresses go under cidr"},
		{"block with host bits", body(`"network":{"mode":"private","egress":[{"cidr":"192.0.2.1/24","ports":["1"],"protocol":"tcp"}]}`), `expected "192.0.2.0/24"`},
		{"protocol", body(`"network":{"mode":"private","egress":[{"host":"a.b","ports":["1"],"protocol":"sctp"}]}`), `network.egress[0].protocol: expected "tcp", "udp" or "icmp", not "sctp"`},
		{"protocol to listen to", body(`"network":{"mode":"private","listen":[{"port":1,"protocol":"icmp"}]}`), `network.listen[0].protocol: expected "tcp" or "udp", not "icmp"`},
		{"ports of ICMP", body(`"network":{"mode":"private","egress":[{"host":"a.b","ports":["1"],"protocol":"icmp"}]}`), "network.egress[0].ports: expected no such field"},
		{"an empty list of them", body(`"network":{"mode":"private","egress":[{"host":"a.b","ports":[],"protocol":"icmp"}]}`), "network.egress[0].ports: expected no such field"},
		{"ICMP on the host's network", body(`"network":{"mode":"host","egress":[{"protocol":"icmp"}]}`), "network.egress[0].protocol: on the host's network only ports"},
		{"ICMP twice", body(`"network":{"mode":"private","egress":[{"host":"a.b","protocol":"icmp"},{"host":"a.b","protocol":"icmp"}]}`), "network.egress[1]: a.b:icmp is listed already"},
		{"ports left out", body(`"network":{"mode":"private","egress":[{"host":"a.b","protocol":"tcp"}]}`), "network.egress[0].ports: expected at least one port"},
		{"no port", body(`"network":{"mode":"private","egress":[{"host":"a.b","ports":[],"protocol":"tcp"}]}`), "expected at least one port"},
		{"port 0", body(`"network":{"mode":"host","listen":[{"port":0,"protocol":"tcp"}]}`), "expected a port from 1 to 65535"},
		{"negative bound", body(`"resources":{"pids":-1}`), "resources.pids: expected 1 to 4194304 processes, or 0, not -1"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			_, err := Parse([]byte(tt.text))
			invalid, ok := errors.AsType[*InvalidError](err)
			if !ok || !strings.Contains(err.Error(), tt.want) {
				t.Errorf("got %v\nwant %s", err, tt.want)
			}
			if ok && len(invalid.Problems) != 1 {
				t.Errorf("got %d problems: %v", len(invalid.Problems), invalid.Problems)
			}
		})
	}
}

// What is valid has one canonical form, and that reads back as itself.
func FuzzParse(f *testing.F) {
	f.Add([]byte(minimal))
	f.Add([]byte(everything))
	f.Add([]byte(body(`"network":{"mode":"host","listen":[{"port":80,"protocol":"tcp","publish":true}]}`)))
	f.Fuzz(func(t *testing.T, data []byte) {
		m, err := Parse(data)
		if err != nil {
			return
		}
		first, err := m.Canonical()
		if err != nil {
			t.Fatalf("valid, but: %v", err)
		}
		again, err := Parse(first)
		if err != nil {
			t.Fatalf("%s is refused: %v", first, err)
		}
		second, err := again.Canonical()
		if err != nil || string(first) != string(second) {
			t.Fatalf("%s\nreads as\n%s, %v", first, second, err)
		}
		if beyond := Covers(m, again); len(beyond) != 0 {
			t.Fatalf("the canonical form asks for more: %v", beyond)
		}
		if beyond := Covers(again, m); len(beyond) != 0 {
			t.Fatalf("the canonical form asks for less: %v", beyond)
		}
		for _, p := range m.Permissions() {
			if p.ID == "" || p.Title == "" || p.Meaning == "" {
				t.Fatalf("incomplete permission %+v", p)
			}
		}
	})
}
