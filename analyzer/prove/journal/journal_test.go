package journal

import (
	"errors"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"

	"github.com/least-privilege/lpm/analyzer/prove"
)

func trials() []prove.Trial {
	return []prove.Trial{{Attempt: 1}, {Attempt: 2}, {Without: []int{3}, Attempt: 1}, {Without: []int{3, 14, 15}, Attempt: 1}}
}

func outcome(i int) prove.Outcome {
	return prove.Outcome{Verdict: prove.Failed, Reason: strings.Repeat("x", i), Milliseconds: int64(i)}
}

func open(t *testing.T, path, of string) *Journal {
	t.Helper()
	j, err := Open(path, of)
	if err != nil {
		t.Fatal(err)
	}
	return j
}

// write makes a journal, and returns its path.
func write(t *testing.T) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "journal.jsonl")
	j := open(t, path, "a")
	for i, trial := range trials() {
		if err := j.Add(trial, outcome(i)); err != nil {
			t.Fatal(err)
		}
	}
	if err := j.Close(); err != nil {
		t.Fatal(err)
	}
	return path
}

func TestJournal(t *testing.T) {
	path := write(t)
	j := open(t, path, "a")
	defer j.Close()
	for i, trial := range trials() {
		if o, known := j.Lookup(trial); !known || !reflect.DeepEqual(o, outcome(i)) {
			t.Errorf("%v: %+v, %v", trial, o, known)
		}
	}
	if _, known := j.Lookup(prove.Trial{Without: []int{31415}, Attempt: 1}); known || j.Len() != 4 {
		t.Errorf("%d outcomes are known, one of them was never made", j.Len())
	}
	if _, err := Open(path, "a"); !errors.Is(err, ErrInUse) {
		t.Errorf("opened twice: %v", err)
	}
}

// TestTorn cuts a journal at each of its bytes, as a crash could: what is whole
// is there, and what is added then can be read.
func TestTorn(t *testing.T) {
	whole, err := os.ReadFile(write(t))
	if err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(t.TempDir(), "journal.jsonl")
	for cut := range len(whole) {
		if err := os.WriteFile(path, whole[:cut], 0o600); err != nil {
			t.Fatal(err)
		}
		want := max(0, strings.Count(string(whole[:cut]), "\n")-1)
		j := open(t, path, "a")
		if j.Len() != want {
			t.Fatalf("cut at %d: %d outcomes, want %d", cut, j.Len(), want)
		}
		extra := prove.Trial{Without: []int{99}, Attempt: 1}
		if err := j.Add(extra, outcome(1)); err != nil {
			t.Fatal(err)
		}
		j.Close()
		j = open(t, path, "a")
		if _, known := j.Lookup(extra); !known || j.Len() != want+1 {
			t.Fatalf("cut at %d: %d outcomes after one more", cut, j.Len())
		}
		j.Close()
	}
}

func TestRefused(t *testing.T) {
	if _, err := Open(write(t), "b"); !errors.Is(err, ErrForeign) {
		t.Errorf("another's journal: %v", err)
	}
	head := `{"version":1,"of":"a"}` + "\n"
	for text, want := range map[string]string{
		"hello\n":                        "line 1",
		"what has no line":               "line 1",
		"{}":                             "line 1",
		`{"version":2,"of":"a"}` + "\n":  "line 1",
		head + "{}\n":                    "line 2",
		head + "\n{\"attempt\":1}\n":     "line 2",
		head + `{"without":[1]` + "\n\n": "line 2",
		head + `{"attempt":1,"outcome":{"verdict":"maybe","milliseconds":1}}` + "\n": "maybe",
		head + `{"surprise":1}` + "\n": "surprise",
	} {
		path := filepath.Join(t.TempDir(), "journal.jsonl")
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		if _, err := Open(path, "a"); err == nil || !strings.Contains(err.Error(), want) || !strings.Contains(err.Error(), path) {
			t.Errorf("%q: %v", text, err)
		}
		if after, err := os.ReadFile(path); err != nil || string(after) != text {
			t.Errorf("%q became %q", text, after)
		}
	}
	link := filepath.Join(t.TempDir(), "link")
	if err := os.Symlink("elsewhere", link); err != nil {
		t.Fatal(err)
	}
	if _, err := Open(link, "a"); err == nil {
		t.Error("a symbolic link is followed")
	}
	large := filepath.Join(t.TempDir(), "large")
	f, err := os.Create(large)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if err := f.Truncate(maxSize + 1); err != nil {
		t.Fatal(err)
	}
	if _, err := Open(large, "a"); err == nil || !strings.Contains(err.Error(), "larger") {
		t.Errorf("a large file: %v", err)
	}
}

func TestNothingAfterAFailure(t *testing.T) {
	j := open(t, filepath.Join(t.TempDir(), "journal.jsonl"), "a")
	j.Close()
	if err := j.Add(trials()[0], outcome(0)); err == nil {
		t.Error("written to a closed file")
	}
	if _, known := j.Lookup(trials()[0]); known {
		t.Error("what could not be kept is known")
	}
	if err := j.Add(trials()[1], outcome(0)); err == nil {
		t.Error("written after a failure")
	}
}
