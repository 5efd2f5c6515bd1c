package schema

import (
	"fmt"
	"strings"
	"testing"

	"cuelang.org/go/cue"

	"github.com/least-privilege/lpm/manifest"
)

const head = `{"version":1,"syscalls":{"architecture":"amd64","kernel":"6.18"}`

// inSchema and inGo hold a document against the one definition and the other.
func inSchema(t *testing.T, text string) error {
	t.Helper()
	ctx := newContext()
	written, err := read(ctx, "manifest.json", []byte(text))
	if err != nil {
		t.Fatal(err)
	}
	_, err = unify(ctx, "#Manifest", "manifest.json", written, cue.Concrete(true), cue.Final())
	return err
}

func inGo(text string) error {
	_, err := manifest.Parse([]byte(text))
	return err
}

// The bounds that both state are the same, to the number.
func TestBoundsAgree(t *testing.T) {
	for _, tt := range []struct {
		format   string
		min, max int64
	}{
		{`"resources":{"memory":%d}`, 1 << 20, 1 << 50},
		{`"resources":{"pids":%d}`, 1, 1 << 22},
		{`"resources":{"milliCPU":%d}`, 10, 10_000_000},
		{`"resources":{"ioWeight":%d}`, 1, 100},
		{`"resources":{"openFiles":%d}`, 1, 1 << 30},
		{`"resources":{"fileSize":%d}`, 1, 1 << 50},
		{`"filesystem":{"writable":[{"path":"/a","size":%d}]}`, 4096, 1 << 50},
		{`"network":{"mode":"private","listen":[{"port":%d,"protocol":"tcp"}]}`, 1, 65535},
		{`"syscalls":{"architecture":"amd64","kernel":"6.18","allow":[{"name":"read","when":[{"arg":%d,"oneOf":["1"]}]}]}`, 0, 5},
	} {
		for n, want := range map[int64]bool{tt.min: true, tt.max: true, tt.max + 1: false, -1: false, -tt.max: false} {
			text := head + "," + fmt.Sprintf(tt.format, n) + "}"
			if strings.HasPrefix(tt.format, `"syscalls"`) {
				text = `{"version":1,` + fmt.Sprintf(tt.format, n) + "}"
			}
			if err := inSchema(t, text); (err == nil) != want {
				t.Errorf("%s: the schema says %v", text, err)
			}
			if err := inGo(text); (err == nil) != want {
				t.Errorf("%s: Go says %v", text, err)
			}
		}
	}
}

// Where the schema speaks of the form of a text, Go accepts nothing else, and
// what Go accepts the schema does.
func TestTextsAgree(t *testing.T) {
	for _, tt := range []struct {
		format    string
		good, bad []string
	}{
		{`"execute":[{"path":%q}]`, []string{"*", "/a", "/a b/ü", "/..a", "/a..", "/...", "/.a"}, []string{"", "a", "/a/", "//a", "/a/../b", "/a/.", "/..", "**"}},
		{`"filesystem":{"readable":[{"path":%q}]}`, []string{"/a"}, []string{"/", "*"}},
		{`"filesystem":{"writable":[{"path":%q}]}`, []string{"/a"}, []string{"/", "*"}},
		{`"devices":[{"path":%q}]`, []string{"/dev/kvm", "/dev/bus/usb/001/002"}, []string{"/dev", "/kvm", "/dev/"}},
		{`"mounts":[{"path":"/a","volume":%q}]`, []string{"a", "0a._-"}, []string{"A", "-a", ".a", "a/b", "a b", strings.Repeat("a", 65)}},
		{`"capabilities":[{"name":%q}]`, []string{"CAP_CHOWN"}, []string{"CHOWN", "cap_chown", ""}},
		{`"identity":{"mode":%q}`, []string{"single", "range"}, []string{"root"}},
		{`"network":{"mode":%q}`, []string{"none", "private", "host"}, []string{"bridge"}},
		{`"identity":{"mode":"single","reason":%q}`, []string{"", "why"}, []string{"a\nb", strings.Repeat("a", 501)}},
		{`"network":{"mode":"private","egress":[{"host":%q,"ports":["1"],"protocol":"tcp"}]}`, []string{"a", "a.b-c.d", "*.a.b", "1.a"}, []string{"-a", "A", "a_b", ".a", "a b"}},
		{`"network":{"mode":"private","egress":[{"cidr":%q,"ports":["1"],"protocol":"tcp"}]}`, []string{"192.0.2.0/24", "::/0", "2001:db8::/32"}, []string{"192.0.2.0", "a/8", "2001:DB8::/32"}},
		{`"network":{"mode":"host","egress":[{"ports":[%q],"protocol":"tcp"}]}`, []string{"1", "65535", "1-65535"}, []string{"0", "01", "1-", "-1", "1,2", "a"}},
		{`"network":{"mode":"host","egress":[{"ports":["1"],"protocol":%q}]}`, []string{"tcp", "udp"}, []string{"TCP", "icmp", ""}},
		{`"network":{"mode":"private","listen":[{"port":1,"protocol":%q}]}`, []string{"tcp", "udp"}, []string{"icmp", ""}},
		{`"network":{"mode":"private","egress":[{"host":"a.b","protocol":%q}]}`, []string{"icmp"}, []string{"tcp", "udp", ""}},
		{`"network":{"mode":"private","egress":[{"host":"a.b","protocol":%q,"ports":[]}]}`, nil, []string{"icmp", "tcp", "udp"}},
		{`"network":{"mode":"private","egress":[{"host":"a.b","protocol":%q,"ports":["1"]}]}`, []string{"tcp", "udp"}, []string{"icmp", "sctp"}},
	} {
		for i, text := range append(tt.good, tt.bad...) {
			want := i < len(tt.good)
			document := head + "," + fmt.Sprintf(tt.format, text) + "}"
			if err := inSchema(t, document); (err == nil) != want {
				t.Errorf("%s: the schema says %v", document, err)
			}
			if err := inGo(document); (err == nil) != want {
				t.Errorf("%s: Go says %v", document, err)
			}
		}
	}
}
