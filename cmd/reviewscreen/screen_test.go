package reviewscreen

import (
	"errors"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	v1 "github.com/google/go-containerregistry/pkg/v1"

	"github.com/least-privilege/lpm/cmd/render"
	"github.com/least-privilege/lpm/manifest"
	"github.com/least-privilege/lpm/registry/approval"
	"github.com/least-privilege/lpm/registry/artifact"
	"github.com/least-privilege/lpm/registry/review"
)

var update = flag.Bool("update", false, "rewrite the views in testdata")

func parsed(t testing.TB, text string) *manifest.Manifest {
	t.Helper()
	m, err := manifest.Parse([]byte(text))
	if err != nil {
		t.Fatal(err)
	}
	return m
}

func digest(c string) v1.Hash { return v1.Hash{Algorithm: "sha256", Hex: strings.Repeat(c, 64)} }

// first asks for something of each level, some of it optional.
const first = `{"version":1,
	"syscalls":{"architecture":"amd64","kernel":"6.18","allow":[
		{"name":"read"},{"name":"write"},{"name":"openat"},{"name":"futex"},
		{"name":"ptrace","optional":true,"reason":"the crash reporter looks into the server"}]},
	"capabilities":[{"name":"CAP_CHOWN","optional":true},{"name":"CAP_SETUID"}],
	"execute":[{"path":"/bin/sh","reason":"the start script"},{"path":"/usr/bin/server"}],
	"network":{"mode":"host","reason":"it finds its peers by broadcast","listen":[{"port":80,"protocol":"tcp"}]},
	"resources":{"memory":67108864,"pids":8,"milliCPU":500,"openFiles":64,"fileSize":4096}}`

// second asks for more here and less there.
const second = `{"version":1,
	"syscalls":{"architecture":"amd64","kernel":"6.18","allow":[
		{"name":"read"},{"name":"write"},{"name":"openat"},{"name":"getpid"},{"name":"gettid"},{"name":"kill"},
		{"name":"ptrace","optional":true,"reason":"the crash reporter looks into the server"}]},
	"capabilities":[{"name":"CAP_CHOWN","optional":true}],
	"execute":[{"path":"/bin/sh","reason":"the start script"},{"path":"/usr/bin/server"},{"path":"/usr/bin/curl"}],
	"mounts":[{"path":"/data","host":"/home/me/with a blank","write":true}],
	"network":{"mode":"host","reason":"it finds its peers by broadcast","listen":[{"port":80,"protocol":"tcp"},{"port":443,"protocol":"tcp","optional":true}]},
	"resources":{"memory":134217728,"pids":8,"milliCPU":250,"openFiles":64,"fileSize":4096}}`

// request asks by a manifest, after the approval of another one ("" for none)
// of which some permissions were denied.
func request(t testing.TB, text, before string, denied ...string) *review.Request {
	t.Helper()
	m := parsed(t, text)
	q := &review.Request{
		Subject:     review.Subject{Digest: digest("a"), Repository: "docker.io/library/app", Name: "app:2"},
		Found:       artifact.Found{Digest: digest("b"), Manifest: m},
		Permissions: m.Permissions(),
		Refusal:     &approval.Refusal{Reason: approval.ErrNotApproved},
	}
	if before == "" {
		return q
	}
	q.Last = &approval.Approval{Time: time.Date(2026, time.April, 1, 12, 0, 0, 0, time.UTC), Denied: denied}
	var err error
	if q.Before, err = parsed(t, before).Without(denied...); err != nil {
		t.Fatal(err)
	}
	return q
}

func screen(q *review.Request) *Screen {
	return New(Page{Request: q, Signer: "0123456789ab", Facts: map[string][]Fact{
		"syscall:ptrace": {
			{"recorded", "by server, 3 times in 1 of 2 runs, first after 1.5s"},
			{"leaves open", "2 known CVEs"},
			{"CVE-2019-13272", "root, fixed in 5.1.17: become root by a parent's credentials; takes ptrace"},
		},
	}}, &render.Terminal{})
}

// press presses keys, named one after another. What is in quotes is typed
// letter by letter.
func press(t testing.TB, s *Screen, keys string) {
	t.Helper()
	for rest := strings.TrimSpace(keys); rest != ""; rest = strings.TrimSpace(rest) {
		if rest[0] == '\'' {
			text, after, ok := strings.Cut(rest[1:], "'")
			if !ok {
				t.Fatalf("no end of what is typed: %s", rest)
			}
			for _, r := range text {
				s.Press(string(r), string(r))
			}
			rest = after
			continue
		}
		key, after, _ := strings.Cut(rest, " ")
		text := ""
		if len(key) == 1 {
			text = key
		}
		if key == "space" {
			text = " "
		}
		s.Press(key, text)
		rest = after
	}
}

// to are the keys that go from the top of the list to a permission of it.
func to(t testing.TB, s *Screen, id string) string {
	t.Helper()
	steps := 0
	for i := s.next(-1, 1); i < len(s.rows); i++ {
		if s.rows[i].kind == asked && s.rows[i].p.ID == id {
			return "home" + strings.Repeat(" j", steps)
		}
		if s.rows[i].kind != heading {
			steps++
		}
	}
	t.Fatalf("%s is not in the list", id)
	return ""
}

// TestChoice: which keys lead to which choice.
func TestChoice(t *testing.T) {
	const yes = " s 'yes' enter"
	const confirmed = "@syscall:ptrace c 'syscall:ptrace' enter esc @network:host c 'network:host' enter esc "
	for _, tt := range []struct {
		name     string
		given    approval.Choice
		keys     string // with @ID for the keys that go there
		denied   string
		accepted string
		open     bool // the screen has not ended
		declined bool
	}{
		{name: "everything", keys: confirmed + yes, accepted: "network:host syscall:ptrace"},
		{name: "an optional one denied", keys: confirmed + "@capability:CAP_CHOWN space" + yes, denied: "capability:CAP_CHOWN", accepted: "network:host syscall:ptrace"},
		{name: "denied and granted again", keys: confirmed + "@capability:CAP_CHOWN d d" + yes, accepted: "network:host syscall:ptrace"},
		{name: "an optional special one denied", keys: "@syscall:ptrace d @network:host c 'network:host' enter esc" + yes, denied: "syscall:ptrace", accepted: "network:host"},
		{name: "denying takes the confirmation back", keys: confirmed + "@syscall:ptrace d d" + yes, open: true},
		{name: "a required one cannot be denied", keys: confirmed + "@capability:CAP_SETUID d" + yes, accepted: "network:host syscall:ptrace"},
		{name: "a required special one cannot be denied", keys: confirmed + "@network:host d" + yes, accepted: "network:host syscall:ptrace"},
		{name: "special ones not confirmed", keys: yes, open: true},
		{name: "one special one not confirmed", keys: "@syscall:ptrace d" + yes, open: true},
		{name: "a word that is wrong", keys: "@syscall:ptrace d @network:host c 'network:hosts' enter esc" + yes, open: true},
		{name: "no word", keys: "@syscall:ptrace d @network:host c enter esc" + yes, open: true},
		{name: "the word of another", keys: "@syscall:ptrace d @network:host c 'syscall:ptrace' enter esc" + yes, open: true},
		{name: "a word that is mended", keys: "@syscall:ptrace d @network:host c 'network:hosts' backspace enter esc" + yes, denied: "syscall:ptrace", accepted: "network:host"},
		{name: "a word begun anew", keys: "@syscall:ptrace d @network:host c 'nothing' ctrl+u 'network:host' enter esc" + yes, denied: "syscall:ptrace", accepted: "network:host"},
		{name: "a word that is not entered", keys: "@syscall:ptrace d @network:host c 'network:host' esc esc" + yes, open: true},
		{name: "a confirmation taken back", keys: confirmed + "@network:host c esc" + yes, open: true},
		{name: "confirmed in the detail", keys: "@syscall:ptrace d @network:host enter c 'network:host' enter esc" + yes, denied: "syscall:ptrace", accepted: "network:host"},
		{name: "denied in the detail", keys: confirmed + "@capability:CAP_CHOWN enter space esc" + yes, denied: "capability:CAP_CHOWN", accepted: "network:host syscall:ptrace"},
		{name: "a summary left by Esc", keys: confirmed + "s esc s 'yes' enter", accepted: "network:host syscall:ptrace"},
		{name: "by the last row", keys: confirmed + "end enter 'yes' enter", accepted: "network:host syscall:ptrace"},
		{name: "y is not yes", keys: confirmed + "s 'y' enter", open: true},
		{name: "no is not yes", keys: confirmed + "s 'no' enter", open: true},
		{name: "Enter alone is not yes", keys: confirmed + "s enter enter", open: true},
		{name: "yes after a mistake", keys: confirmed + "s 'yse' enter 'yes' enter", accepted: "network:host syscall:ptrace"},
		{name: "q", keys: confirmed + "q", declined: true},
		{name: "q in a detail", keys: confirmed + "enter q", declined: true},
		{name: "q in the help", keys: "? q", declined: true},
		{name: "Esc", keys: confirmed + "esc", declined: true},
		{name: "Ctrl-C", keys: "ctrl+c", declined: true},
		{name: "Ctrl-C while a word is typed", keys: "@network:host c 'net' ctrl+c", declined: true},
		{name: "Ctrl-C before the agreement is entered", keys: confirmed + "s 'yes' ctrl+c", declined: true},
		{name: "keys after the end", keys: "q " + confirmed + yes, declined: true},
		{name: "answered in advance", given: approval.Choice{Denied: []string{"capability:CAP_CHOWN"}, Accepted: []string{"network:host", "syscall:ptrace"}},
			keys: yes, denied: "capability:CAP_CHOWN", accepted: "network:host syscall:ptrace"},
		{name: "answered in advance, and otherwise", given: approval.Choice{Denied: []string{"capability:CAP_CHOWN"}, Accepted: []string{"network:host", "syscall:ptrace"}},
			keys: "@capability:CAP_CHOWN d @syscall:ptrace d" + yes, denied: "syscall:ptrace", accepted: "network:host"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			q := request(t, first, "")
			page := Page{Request: q, Choice: tt.given}
			s := New(page, &render.Terminal{})
			s.Resize(80, 40)
			for key := range strings.FieldsSeq(tt.keys) {
				if id, is := strings.CutPrefix(key, "@"); is {
					key = to(t, s, id)
				}
				press(t, s, key)
			}
			c, err := s.Choice()
			switch {
			case tt.open:
				if s.Done() {
					t.Errorf("it has ended with %+v, %v", c, err)
				}
				return
			case tt.declined:
				if !s.Done() || !errors.Is(err, review.ErrDeclined) {
					t.Errorf("done %v with %+v and error %v, want it declined", s.Done(), c, err)
				}
				return
			}
			if !s.Done() || err != nil {
				t.Fatalf("done %v, error %v\n%s", s.Done(), err, strings.Join(s.Lines(), "\n"))
			}
			if got := strings.Join(c.Denied, " "); got != tt.denied {
				t.Errorf("denied %q, want %q", got, tt.denied)
			}
			if got := strings.Join(c.Accepted, " "); got != tt.accepted {
				t.Errorf("accepted %q, want %q", got, tt.accepted)
			}
		})
	}
}

// TestViews compares what is seen with the files of testdata/views, at two
// sizes.
func TestViews(t *testing.T) {
	for _, tt := range []struct {
		name string
		q    *review.Request
		keys string // "@ID" goes there
	}{
		{"all", request(t, first, ""), ""},
		{"difference", request(t, second, first, "capability:CAP_CHOWN"), ""},
		{"difference-end", request(t, second, first, "capability:CAP_CHOWN"), "end"},
		{"everything", request(t, second, first), "a"},
		{"nothing-new", request(t, first, first), ""},
		{"group", request(t, first, ""), "end k k enter"},
		{"detail", request(t, first, ""), "@syscall:ptrace enter"},
		{"confirm", request(t, first, ""), "@syscall:ptrace c 'sys"},
		{"wrong", request(t, first, ""), "@syscall:ptrace c 'no' enter"},
		{"required", request(t, first, ""), "@network:host space"},
		{"open", request(t, first, ""), "s"},
		{"summary", request(t, first, ""), "@syscall:ptrace d @network:host c 'network:host' enter esc end s"},
		{"help", request(t, first, ""), "?"},
	} {
		for _, size := range [][2]int{{80, 24}, {40, 12}} {
			t.Run(fmt.Sprintf("%s-%dx%d", tt.name, size[0], size[1]), func(t *testing.T) {
				s := screen(tt.q)
				s.Resize(size[0], size[1])
				for key := range strings.FieldsSeq(tt.keys) {
					if id, is := strings.CutPrefix(key, "@"); is {
						key = to(t, s, id)
					}
					if text, is := strings.CutPrefix(key, "'"); is && !strings.HasSuffix(key[1:], "'") {
						key = "'" + text + "'"
					}
					press(t, s, key)
				}
				inWindow(t, s)
				compare(t, t.Name(), s)
			})
		}
	}
}

func compare(t *testing.T, name string, s *Screen) {
	t.Helper()
	file := filepath.Join("testdata", "views", filepath.Base(name)+".txt")
	var b strings.Builder
	for _, line := range s.Lines() {
		b.WriteString(strings.TrimRight(line, " ") + "\n")
	}
	if *update {
		if err := os.WriteFile(file, []byte(b.String()), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if b.String() != string(want) {
		t.Errorf("seen:\n%s\nwant (%s; -update rewrites it):\n%s", b.String(), file, want)
	}
}

// inWindow checks that the window holds what is shown.
func inWindow(t testing.TB, s *Screen) {
	t.Helper()
	lines := s.Lines()
	if len(lines) > max(s.height, 0) {
		t.Fatalf("%d lines in a window of %dx%d", len(lines), s.width, s.height)
	}
	for _, line := range lines {
		if width(line) > s.width || strings.ContainsAny(line, "\n\t\r\x1b") {
			t.Fatalf("in a window of %dx%d, %d columns: %q", s.width, s.height, width(line), line)
		}
	}
}

// seen is what is on the screen, as one text.
func seen(s *Screen) string { return strings.Join(s.Lines(), "\n") }

func shows(t *testing.T, s *Screen, want ...string) {
	t.Helper()
	// What is wrapped is still said.
	text := strings.Join(strings.Fields(seen(s)), " ")
	for _, w := range want {
		if !strings.Contains(text, w) {
			t.Errorf("%q is not on the screen:\n%s", w, seen(s))
		}
	}
}

func ids(rows []row) []string {
	var list []string
	for _, r := range rows {
		if r.kind == asked || r.kind == former {
			list = append(list, r.key)
		}
	}
	return list
}

// TestWorstFirst: within each part the special ones come before the dangerous
// and those before the normal.
func TestWorstFirst(t *testing.T) {
	for _, q := range []*review.Request{request(t, first, ""), request(t, second, first)} {
		s := screen(q)
		level := manifest.Special
		for _, r := range s.rows {
			switch {
			case r.kind == heading:
				level = manifest.Special
			case r.kind == asked && !r.inside:
				if r.p.Level > level {
					t.Errorf("%s after a %s one", r.p.ID, level)
				}
				level = r.p.Level
			}
		}
	}
}

// TestDifferenceHasAll: with every group unfolded, what is asked for is in the
// difference exactly once.
func TestDifferenceHasAll(t *testing.T) {
	s := screen(request(t, second, first, "syscall:ptrace"))
	for _, r := range s.rows {
		if r.kind == group {
			s.open[r.key] = true
		}
	}
	s.build()
	for _, p := range s.page.Request.Permissions {
		n := 0
		for _, id := range ids(s.rows) {
			if id == p.ID {
				n++
			}
		}
		if n != 1 {
			t.Errorf("%s is there %d times", p.ID, n)
		}
	}
	if !slices.Contains(ids(s.rows), "former capability:CAP_SETUID") {
		t.Error("what is gone is not there")
	}
}

// TestUnread: what is dangerous and new is read before anything is signed, by
// its whole title.
func TestUnread(t *testing.T) {
	var shells []string
	for i := range 30 {
		shells = append(shells, fmt.Sprintf(`{"path":"/usr/lib/a/rather/long/way/to/the/program/of/number/%02d/bash"}`, i))
	}
	q := request(t, `{"version":1,"syscalls":{"architecture":"amd64","kernel":"6.18","allow":[{"name":"read"}]},
		"execute":[`+strings.Join(shells, ",")+`],
		"resources":{"memory":67108864,"pids":8,"milliCPU":500,"openFiles":64,"fileSize":4096}}`, "")
	for _, tt := range []struct {
		name          string
		width, height int
		keys          string
		open          bool
	}{
		{"at the top", 80, 24, "s", true},
		{"from the top to the end", 80, 24, "end s", true},
		{"page by page", 80, 24, strings.Repeat("pgdown ", 10) + "s", false},
		{"all at once", 80, 60, "s", false},
		{"all at once, but cut off", 60, 60, "s", true},
		{"one by one, the pane has what is cut off", 60, 24, strings.Repeat("j ", 40) + "s", false},
		{"one by one, and the pane has no room", 32, 12, strings.Repeat("j ", 40) + "s", true},
		{"one by one in the detail", 32, 12, "enter " + strings.Repeat("n ", 40) + "s", false},
	} {
		t.Run(tt.name, func(t *testing.T) {
			s := New(Page{Request: q}, &render.Terminal{})
			s.Resize(tt.width, tt.height)
			if tt.height > 24 { // New's size has shown some
				clear(s.seen)
				s.settle()
			}
			press(t, s, tt.keys+" 'yes' enter")
			if s.Done() == tt.open {
				t.Errorf("done: %v\n%s", s.Done(), seen(s))
			}
		})
	}
}

// TestAllAndDifference: a goes from one to the other and stays on the same row;
// without a difference it says so.
func TestAllAndDifference(t *testing.T) {
	s := screen(request(t, second, first))
	shows(t, s, "Added", "Compared with what was approved on 2026-04-01")
	press(t, s, "j a")
	if at := s.rows[s.cursor].key; !s.all || at != "execute:/usr/bin/curl" {
		t.Errorf("after a: all %v, at %s", s.all, at)
	}
	press(t, s, "a")
	shows(t, s, "Added")
	s = screen(request(t, first, ""))
	press(t, s, "a")
	shows(t, s, "there is no difference")
	s = New(Page{Request: request(t, second, first), All: true}, &render.Terminal{})
	shows(t, s, "Everything it asks for")
}

// TestDeniedBefore: what was denied in the last approval is denied to begin
// with, unless it was accepted in advance, or cannot be denied any more.
func TestDeniedBefore(t *testing.T) {
	q := request(t, second, first, "capability:CAP_CHOWN", "syscall:ptrace")
	s := New(Page{Request: q, Choice: approval.Choice{Accepted: []string{"syscall:ptrace"}}}, &render.Terminal{})
	if !s.denied["capability:CAP_CHOWN"] || s.denied["syscall:ptrace"] {
		t.Errorf("denied: %v", s.denied)
	}
	required := strings.Replace(second, `"CAP_CHOWN","optional":true`, `"CAP_CHOWN"`, 1)
	if s := screen(request(t, required, first, "capability:CAP_CHOWN")); len(s.denied) > 0 {
		t.Errorf("denied though required: %v", s.denied)
	}
}

// TestFallsAway: denying the network takes its ports along; they are neither
// granted nor to be confirmed.
func TestFallsAway(t *testing.T) {
	q := request(t, strings.NewReplacer(`"mode":"host",`, `"mode":"host","optional":true,`).Replace(first), "")
	s := screen(q)
	press(t, s, to(t, s, "network:host")+" c 'network:host' enter esc d "+to(t, s, "listen:tcp/80"))
	shows(t, s, "falls away")
	press(t, s, to(t, s, "syscall:ptrace")+" d s 'yes' enter")
	c, err := s.Choice()
	if err != nil || len(c.Accepted) > 0 || !slices.Equal(c.Denied, []string{"network:host", "syscall:ptrace"}) {
		t.Errorf("choice %+v, error %v", c, err)
	}
}

// TestRefusedDenials: what cannot be denied says why.
func TestRefusedDenials(t *testing.T) {
	only := strings.Replace(first, `"network":`, `"filesystem":{"readable":[{"path":"/srv","optional":true}]},"network":`, 1)
	s := screen(request(t, only, ""))
	press(t, s, to(t, s, "read:/srv")+" d")
	shows(t, s, "It cannot be denied: the last readable path cannot be denied")
	press(t, s, to(t, s, "network:host")+" d")
	shows(t, s, "Required: by its author's account", "cannot be denied alone")

	// Of two of which one includes the other, the wider goes first and comes
	// back last.
	nested := strings.Replace(first, `"network":`, `"filesystem":{"writable":[{"path":"/srv","optional":true},{"path":"/srv/a","optional":true}]},"network":`, 1)
	s = screen(request(t, nested, ""))
	press(t, s, to(t, s, "write:/srv/a")+" d")
	shows(t, s, "another permission includes this one")
	press(t, s, to(t, s, "write:/srv")+" d "+to(t, s, "write:/srv/a")+" d")
	if !s.denied["write:/srv"] || !s.denied["write:/srv/a"] {
		t.Fatalf("denied: %v", s.denied)
	}
	press(t, s, to(t, s, "write:/srv")+" d")
	shows(t, s, "It cannot be granted as things are: another permission includes this one")
	if !s.denied["write:/srv"] {
		t.Error("the wider is granted, and the narrower denied within it")
	}
}

// TestWord: what confirms a special permission can be typed on any keyboard.
func TestWord(t *testing.T) {
	const mounts = `{"version":1,"syscalls":{"architecture":"amd64","kernel":"6.18","allow":[{"name":"read"}]},
		"mounts":[{"path":"/a","host":"/srv/a","write":true},{"path":"/with a blank","host":"/srv/b","write":true},
			{"path":"/данные","host":"/srv/c","write":true},{"path":"/a/path/that/nobody/wants/to/type/at/all","host":"/srv/d","write":true}]}`
	s := screen(request(t, mounts, ""))
	want := map[string]string{
		"mount:/a": "mount:/a", "mount:/with a blank": "mount-3", "mount:/данные": "mount-4",
		"mount:/a/path/that/nobody/wants/to/type/at/all": "mount-2",
	}
	for id, word := range want {
		p, _ := s.permission(id)
		if got := s.word(p); got != word {
			t.Errorf("the word of %s is %s, want %s", id, got, word)
		}
		press(t, s, to(t, s, id)+" c")
		shows(t, s, "type "+word+", then Enter")
		press(t, s, "'"+word+"' enter esc")
		if !s.confirmed[id] {
			t.Errorf("%s is not confirmed by %s", id, word)
		}
	}
}

// TestPasted: pasting types nothing.
func TestPasted(t *testing.T) {
	s := screen(request(t, first, ""))
	press(t, s, to(t, s, "network:host")+" c")
	s.Pasted()
	shows(t, s, "Pasted text is left out")
	press(t, s, "enter")
	if s.confirmed["network:host"] {
		t.Error("pasting has confirmed something")
	}
}

// TestHostileText: whatever an author writes, nothing acts on the terminal, and
// what looks like something else is written as an escape.
func TestHostileText(t *testing.T) {
	q := request(t, strings.Replace(first, "/usr/bin/server", "/usr/bin/c\u0430t", 1), "")
	// A valid manifest has no control characters. The screen does not rest on
	// that.
	q.Subject.Name = "app\x1b[2J\u202e:1"
	for i := range q.Permissions {
		q.Permissions[i].Reason = "\x1b]0;x\a\u202ereason \r\n"
		q.Permissions[i].Meaning += "\x9b2J\u2066"
	}
	s := New(Page{Request: q, Signer: "\x1b[31mkey", Facts: map[string][]Fact{
		"network:host": {{"program", "/bin/\u202ehs\x1b[2J"}},
	}}, &render.Terminal{})
	s.Resize(100, 40)
	shows(t, s, `Start /usr/bin/c\u0430t`, `app\x1b[2J\u202e:1`)
	for _, keys := range []string{"", "enter", "end", "n", "esc", "s", "esc", "?"} {
		press(t, s, keys)
		for _, line := range s.Lines() {
			if render.Escape(line) != line {
				t.Errorf("after %s: %q", keys, line)
			}
		}
	}
	press(t, s, "esc "+to(t, s, "execute:/usr/bin/c\u0430t")+" enter")
	shows(t, s, "! a name here may not be what it looks like: U+0430 is Cyrillic")
	press(t, s, "esc "+to(t, s, "network:host")+" enter")
	shows(t, s, `program: /bin/\u202ehs\x1b[2J`)
}

// TestSizes: a window that is too small says so, and decides nothing.
func TestSizes(t *testing.T) {
	s := screen(request(t, first, ""))
	for _, size := range [][2]int{{31, 24}, {80, 9}, {1, 1}, {5, 2}, {0, 0}, {-1, -1}} {
		s.Resize(size[0], size[1])
		inWindow(t, s)
		press(t, s, "d c s 'yes' enter")
		if s.Done() || len(s.denied)+len(s.confirmed) > 0 {
			t.Errorf("%v: something was decided unseen", size)
		}
	}
	s.Resize(31, 24)
	shows(t, s, "The window is too small: 31x24 of 32x10.")
	s.Resize(32, 10)
	shows(t, s, "app:2")
	s.Resize(31, 9)
	press(t, s, "q")
	if _, err := s.Choice(); !s.Done() || !errors.Is(err, review.ErrDeclined) {
		t.Errorf("q in a window that is too small: %v", err)
	}
}

// FuzzKeys: whatever is pressed in whatever window, it stays in the window, and
// ends with a choice that may be signed or with none.
func FuzzKeys(f *testing.F) {
	keys := []string{
		"up", "down", "pgup", "pgdown", "home", "end", "enter", "space", "d", "c", "a", "s", "?", "esc", "n", "p",
		"left", "right", "backspace", "ctrl+u", "tab", "x", "y", "e", "paste", "small", "large", "word",
	}
	f.Add([]byte("\x00\x01\x02"), false)
	f.Add([]byte{9, 27, 6, 13, 1, 9, 27, 6, 13, 11, 17, 6}, true)
	requests := []*review.Request{request(f, first, ""), request(f, second, first, "syscall:ptrace")}
	f.Fuzz(func(t *testing.T, pressed []byte, update bool) {
		q := requests[0]
		if update {
			q = requests[1]
		}
		s := screen(q)
		for _, b := range pressed[:min(len(pressed), 500)] {
			switch key := keys[int(b)%len(keys)]; key {
			case "paste":
				s.Pasted()
			case "small":
				s.Resize(int(b), int(b)/6)
			case "large":
				s.Resize(80, 24)
			case "word":
				for _, r := range s.word(s.rows[s.cursor].p) {
					s.Press(string(r), string(r))
				}
			default:
				press(t, s, key)
			}
			inWindow(t, s)
		}
		if c, err := s.Choice(); err == nil {
			if err := q.Check(c); err != nil {
				t.Errorf("a choice that cannot be: %v", err)
			}
			if err := q.Unaccepted(c); err != nil {
				t.Errorf("signed without confirmation: %v", err)
			}
		} else if !errors.Is(err, review.ErrDeclined) {
			t.Error(err)
		}
	})
}
