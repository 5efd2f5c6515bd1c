package prove

import (
	"bytes"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/least-privilege/lpm/analyzer"
)

// found makes the results of a search in which only some are needed.
func found(t *testing.T, needed ...string) *Results {
	t.Helper()
	m := everything()
	all, skipped := Candidates(m, Choice{})
	var p program
	var priors []float64
	for i, c := range all {
		priors = append(priors, c.Prior)
		if slices.Contains(needed, c.ID) {
			p.demands = append(p.demands, []int{i})
		}
	}
	return Of(m, all, skipped, p.search(t, priors, nil))
}

func TestResults(t *testing.T) {
	r := found(t, "execute:/bin/app", "read:/usr", "syscall:openat", "syscall:socket(0=AF_UNIX,AF_INET,AF_INET6)#0=AF_INET")
	by := map[string]Permission{}
	for _, p := range r.Permissions {
		by[p.ID] = p
	}
	for id, want := range map[string]analyzer.Need{
		"execute:/bin/app": analyzer.Needed, "execute:/bin/sh": analyzer.Unneeded, "syscall:read": analyzer.Undecided,
		"syscall:socket(0=AF_UNIX,AF_INET,AF_INET6)": analyzer.Needed, "network:host": analyzer.Unneeded, "listen:tcp/80": analyzer.Unneeded,
	} {
		if by[id].Need != want {
			t.Errorf("%s is %+v, want %s", id, by[id], want)
		}
	}
	if _, bound := by["resource:memory"]; bound || !by["syscall:read"].Untried || by["execute:/bin/app"].Failure == nil {
		t.Errorf("results %+v", r.Permissions)
	}
	socket := by["syscall:socket(0=AF_UNIX,AF_INET,AF_INET6)"]
	if len(socket.Values) != 3 || !strings.HasPrefix(socket.Reason, "unneeded are the values AF_INET6, AF_UNIX; status 1") {
		t.Errorf("socket: %+v", socket)
	}
	if text := r.Summary(); !strings.Contains(text, "4 are needed") || !strings.Contains(text, "0 undecided; 1 were not tried") {
		t.Errorf("summary %q", text)
	}

	m, _, err := r.Minimal(everything())
	if err != nil {
		t.Fatal(err)
	}
	if len(m.Execute) != 1 || len(m.Capabilities) != 0 || m.Network.Mode != "none" || m.Resources.Memory == 0 ||
		len(m.Syscalls.Allow) != 3 || !slices.Equal(m.Syscalls.Allow[2].When[0].OneOf, []string{"AF_INET"}) {
		t.Errorf("the minimal manifest is %+v", m)
	}
}

// TestDoubt: what nothing enforces is not unneeded because nothing was refused.
func TestDoubt(t *testing.T) {
	r := found(t, "execute:/bin/app", "read:/usr")
	r.Doubt(func(id string) bool { return strings.HasPrefix(id, "execute:") })
	for _, p := range r.Permissions {
		want := map[string]analyzer.Need{"execute:/bin/app": analyzer.Needed, "execute:/bin/sh": analyzer.Undecided, "write:/tmp": analyzer.Unneeded}[p.ID]
		if want != "" && p.Need != want {
			t.Errorf("%s is %s, want %s", p.ID, p.Need, want)
		}
	}
	m, _, err := r.Minimal(everything())
	if err != nil || len(m.Execute) != 2 {
		t.Errorf("of the programs %v are left, %v", m, err)
	}
}

func TestResultsAgain(t *testing.T) {
	r := found(t, "execute:/bin/app", "read:/usr")
	data, err := r.Encode()
	if err != nil {
		t.Fatal(err)
	}
	again, err := DecodeResults(data)
	if err != nil || !reflect.DeepEqual(again, r) {
		t.Errorf("decoded %+v, %v\nwant %+v", again, err, r)
	}
	for name, text := range map[string]string{
		"nothing": "", "another version": `{"version": 2}`, "more": `{"version": 1} {}`, "a field of its own": `{"version": 1, "surprise": 1}`,
		"another need":   `{"version": 1, "permissions": [{"id": "x", "need": "perhaps"}]}`,
		"much too large": strings.Repeat(" ", MaxResultsSize+1),
	} {
		if _, err := DecodeResults([]byte(text)); err == nil {
			t.Errorf("%s is decoded", name)
		}
	}
}

func FuzzDecodeResults(f *testing.F) {
	f.Add([]byte(`{"version":1,"permissions":[{"id":"syscall:read","need":"needed","failure":{"verdict":"failed","milliseconds":1}}]}`))
	f.Fuzz(func(t *testing.T, data []byte) {
		r, err := DecodeResults(data)
		if err != nil {
			return
		}
		first, err := r.Encode()
		if err != nil {
			t.Fatal(err)
		}
		again, err := DecodeResults(first)
		if err != nil {
			t.Fatal(err)
		}
		if second, err := again.Encode(); err != nil || !bytes.Equal(first, second) {
			t.Errorf("%s\nbecomes\n%s, %v", first, second, err)
		}
	})
}
