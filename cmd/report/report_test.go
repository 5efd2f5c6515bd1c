package report

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/least-privilege/lpm/cmd/render"
	"github.com/least-privilege/lpm/enforcer/plan"
	"github.com/least-privilege/lpm/enforcer/supervise"
	"github.com/least-privilege/lpm/manifest"
)

func denial(what string, count uint64) supervise.Denial {
	at := time.Unix(1_700_000_000, 0).UTC()
	return supervise.Denial{
		Kind: supervise.KindSyscall, What: what, Program: "/bin/app", Errno: "EPERM", Count: count, First: at, Last: at.Add(time.Duration(count-1) * time.Second),
		Grant: supervise.Grant{Syscall: &manifest.Syscall{Name: "ptrace"}},
	}
}

// lines decodes a file of JSON lines.
func lines(t *testing.T, name string) []map[string]any {
	t.Helper()
	data, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	var all []map[string]any
	for line := range strings.Lines(string(data)) {
		var v map[string]any
		if err := json.Unmarshal([]byte(line), &v); err != nil {
			t.Fatalf("%q: %v", line, err)
		}
		all = append(all, v)
	}
	return all
}

// TestFile: what happens is in the file at once, and the last counts at the
// end.
func TestFile(t *testing.T) {
	var screen bytes.Buffer
	name := filepath.Join(t.TempDir(), "denials")
	r, err := New(Options{Term: &render.Terminal{Err: &screen}, File: name})
	if err != nil {
		t.Fatal(err)
	}
	r.Enforced(Enforced{Image: "sha256:1", Manifest: "sha256:2", Limits: []plan.Limit{{Resource: "pids", Value: 7, By: "RLIMIT_NPROC"}}})
	for _, count := range []uint64{1, 2, 4} {
		r.Denied(denial("ptrace", count))
	}
	r.Denied(denial("\x1b[2J\xff\u202e", 1))
	// As after kill -9.
	got := lines(t, name)
	if len(got) != 5 || got[0]["type"] != "enforced" || got[0]["version"] != 1.0 || got[0]["unenforced"] == nil {
		t.Fatalf("%v", got)
	}
	if d := got[3]; d["type"] != "denial" || d["count"] != 4.0 || d["first"] != "2023-11-14T22:13:20Z" || d["grant"] != `syscalls: allow: [{name: "ptrace"}]` {
		t.Errorf("%v", d)
	}
	raw, err := os.ReadFile(name)
	if err != nil || bytes.ContainsAny(raw, "\x1b\u202e\xff") {
		t.Errorf("not escaped: %q, %v", raw, err)
	}
	if err := r.Close(End{Denials: []supervise.Denial{denial("ptrace", 6), denial("other", 1)}, Others: 3, Calls: 20, Code: 9}); err != nil {
		t.Fatal(err)
	}
	got = lines(t, name)[5:]
	if len(got) != 2 || got[0]["count"] != 6.0 {
		t.Fatalf("at the end %v", got)
	}
	for field, want := range map[string]any{"type": "summary", "denials": 10.0, "distinct": 2.0, "others": 3.0, "calls": 20.0, "code": 9.0} {
		if got[1][field] != want {
			t.Errorf("%s is %v, want %v", field, got[1][field], want)
		}
	}
}

// TestDocument: docs/denials.md has each type of line, and each field of it.
func TestDocument(t *testing.T) {
	document, err := os.ReadFile("../../docs/denials.md")
	if err != nil {
		t.Fatal(err)
	}
	name := filepath.Join(t.TempDir(), "denials")
	r, err := New(Options{Term: &render.Terminal{Err: &bytes.Buffer{}}, File: name})
	if err != nil {
		t.Fatal(err)
	}
	r.Enforced(Enforced{Limits: []plan.Limit{{}}})
	r.Denied(denial("ptrace", 1))
	r.file.answer(supervise.Question{}, answerOnce)
	if err := r.Close(End{}); err != nil {
		t.Fatal(err)
	}
	got := lines(t, name)
	if len(got) != 4 {
		t.Fatalf("%d lines", len(got))
	}
	for _, line := range got {
		_, rest, found := bytes.Cut(document, fmt.Appendf(nil, "\n| `%s` |", line["type"]))
		row, _, _ := bytes.Cut(rest, []byte("\n"))
		if !found {
			t.Errorf("no line of type %s", line["type"])
		}
		for field := range line {
			if field != "type" && field != "time" && !bytes.Contains(row, []byte("`"+field+"`")) {
				t.Errorf("%s: no field %s in %s", line["type"], field, row)
			}
		}
	}
}

// TestFileFails: what could not be written is an error at the end, and one
// that can be foreseen is one at the beginning.
func TestFileFails(t *testing.T) {
	if _, err := New(Options{Term: &render.Terminal{}, File: t.TempDir()}); err == nil {
		t.Error("a folder was opened for lines")
	}
	r, err := New(Options{Term: &render.Terminal{Err: &bytes.Buffer{}}, File: "/dev/full"})
	if err != nil {
		t.Fatal(err)
	}
	r.Denied(denial("ptrace", 1))
	if err := r.Close(End{}); !errors.Is(err, unix.ENOSPC) {
		t.Errorf("error %v", err)
	}
}

// TestLive: a container that is refused ever new things as fast as it can
// fills no terminal, and no memory with what is still to be printed.
func TestLive(t *testing.T) {
	const attempts = 100_000
	var screen bytes.Buffer
	r, err := New(Options{Term: &render.Terminal{Err: &screen}, Live: true, Raw: true})
	if err != nil {
		t.Fatal(err)
	}
	begun := time.Now()
	r.Gate().Lock() // as an open question does
	for i := range attempts {
		r.Denied(denial(fmt.Sprintf("call%d", i), 1))
		r.Denied(denial(fmt.Sprintf("call%d", i), 2))
	}
	r.Gate().Unlock()
	if err := r.Close(End{}); err != nil {
		t.Fatal(err)
	}
	printed := strings.Split(strings.TrimSuffix(screen.String(), "\r\n"), "\r\n")
	if most := 2*burst + int(time.Since(begun)/interval); len(printed) > most {
		t.Errorf("%d lines, want at most %d", len(printed), most)
	}
	if want := "lpm: refused: system call call0, by /bin/app (EPERM)"; printed[0] != want {
		t.Errorf("first line %q, want %q", printed[0], want)
	}
	told, more := 0, 0
	for _, line := range printed {
		var n int
		if _, err := fmt.Sscanf(line, "lpm: … and %d more", &n); err == nil {
			more += n
		} else {
			told++
		}
	}
	if told+more != attempts {
		t.Errorf("%d told and %d more, want %d", told, more, attempts)
	}
}

// TestPace: a burst at once, and then one in each interval; what was not used
// for a while may be used again.
func TestPace(t *testing.T) {
	at := time.Unix(0, 0)
	var slept []time.Duration
	p := pace{now: func() time.Time { return at }, sleep: func(d time.Duration) { slept = append(slept, d); at = at.Add(d) }}
	for range burst {
		p.wait()
	}
	if len(slept) > 0 {
		t.Errorf("slept %v in the burst", slept)
	}
	for range 3 {
		p.wait()
	}
	if len(slept) != 3 || slept[0] != interval || slept[2] != interval {
		t.Errorf("slept %v after the burst, want %v each time", slept, interval)
	}
	at, slept = at.Add(time.Hour), nil
	for range burst {
		p.wait()
	}
	if len(slept) > 0 {
		t.Errorf("slept %v in a second burst", slept)
	}
}

func TestSummary(t *testing.T) {
	var many []supervise.Denial
	for i := range 100 {
		d := denial(fmt.Sprintf("call%03d", 99-i), 1)
		d.First = d.First.Add(time.Duration(i) * time.Second)
		many = append([]supervise.Denial{d}, many...)
	}
	long := denial("/"+strings.Repeat("\x07", 4000), 1)
	long.Kind, long.Grant = supervise.KindProgram, supervise.Grant{}
	tests := []struct {
		name  string
		end   End
		lines int
		want  []string
	}{
		{"nothing", End{}, 0, nil},
		{"one thing", End{Denials: []supervise.Denial{denial("ptrace", 2)}}, 3, []string{
			"lpm: the manifest did not grant one thing that the container tried:\n",
			"  system call ptrace, by /bin/app, 2 times (EPERM)\n",
			"    to grant it: syscalls: allow: [{name: \"ptrace\"}]\n",
		}},
		{"many things, the first of them", End{Denials: many, Others: 5}, 3 + 2*maxThings, []string{
			"did not grant 100 things", "  system call call099,", "  system call call060,",
			"  and 60 things more, which --denials FILE keeps\n", "  and 5 times more of other kinds",
		}},
		{"a long name", End{Denials: []supervise.Denial{long}}, 3, []string{`  program /\x07\x07`, `…, by /bin/app, once (EPERM)`, "    no manifest can grant it\n"}},
		{"what the reviewer denied", End{Denials: []supervise.Denial{denial("ptrace", 1)}, Image: "app", LeftOut: []string{"syscall:ptrace"}}, 4, []string{
			"lpm: in the manifest, and denied when it was approved: syscall:ptrace; to decide anew: lpm approve app\n",
		}},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			var out strings.Builder
			summarise(&out, test.end)
			if n := strings.Count(out.String(), "\n"); n != test.lines {
				t.Errorf("%d lines, want %d", n, test.lines)
			}
			for _, want := range test.want {
				if !strings.Contains(out.String(), want) {
					t.Errorf("%q is missing in\n%s", want, out.String())
				}
			}
			for line := range strings.Lines(out.String()) {
				if len(line) > 2*maxCharacters || strings.Contains(line, "\x07") {
					t.Errorf("line of %d bytes: %q", len(line), line)
				}
			}
		})
	}
}

func TestShown(t *testing.T) {
	for _, test := range []struct{ in, want string }{
		{"/bin/app", "/bin/app"},
		{"a\x1b[2Jb", `a\x1b[2Jb`},
		{strings.Repeat("x", maxCharacters), strings.Repeat("x", maxCharacters)},
		{strings.Repeat("x", maxCharacters+1), strings.Repeat("x", maxCharacters) + "…"},
		{strings.Repeat("𝄞", 4096), strings.Repeat("𝄞", maxCharacters) + "…"},
	} {
		if got := shown(test.in); got != test.want {
			t.Errorf("shown(%q) is %q", test.in, got)
		}
	}
}
