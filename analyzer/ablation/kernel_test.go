package ablation

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/least-privilege/lpm/analyzer"
	"github.com/least-privilege/lpm/analyzer/internal/stage"
	"github.com/least-privilege/lpm/analyzer/prove"
	"github.com/least-privilege/lpm/analyzer/prove/journal"
	"github.com/least-privilege/lpm/analyzer/workload"
	"github.com/least-privilege/lpm/enforcer/plan"
	"github.com/least-privilege/lpm/manifest"
)

// writing is a workload that needs a place to write to, and its manifest, to
// which things are added that it does not need.
func (l *lab) writing(t *testing.T) (workload.Job, *manifest.Manifest) {
	t.Helper()
	w := l.workload(t, "write", "/place/file", "text")
	w.Identity = manifest.IdentitySingle
	// The folder is not in the image, so that recording needs a volume.
	record := w
	record.Options.Volumes = []plan.Volume{{Source: "trial", Path: "/place"}}
	p := l.record(t, record)
	m := *p.Manifest
	m.Mounts = []manifest.Mount{{Path: "/place", Volume: "place", Write: true}}
	m.Syscalls.Allow = append(slices.Clone(m.Syscalls.Allow),
		manifest.Syscall{Name: "ptrace"},
		manifest.Syscall{Name: "socket", When: []manifest.Condition{{Arg: 0, OneOf: []string{"AF_INET", "AF_NETLINK"}}}},
	)
	m.Capabilities = append(m.Capabilities, manifest.Capability{Name: "CAP_NET_ADMIN"})
	m.Execute = append(slices.Clone(m.Execute), manifest.Program{Path: "/script"})
	m.Filesystem.Writable = []manifest.WritablePath{{Path: "/spare"}}
	return w, &m
}

func (r *Results) need(id string) analyzer.Need {
	for _, p := range r.Permissions {
		if p.ID == id {
			return p.Need
		}
	}
	return "absent"
}

// TestNeeds proves permissions of a workload made for it.
func TestNeeds(t *testing.T) {
	l := newLab(t, "static")
	w, m := l.writing(t)
	j := l.job(t, w, m)
	r, err := Run(t.Context(), l.store, j)
	if err != nil {
		t.Fatal(err)
	}
	for id, want := range map[string]analyzer.Need{
		"mount:/place": analyzer.Needed, "syscall:openat": analyzer.Needed,
		"syscall:ptrace": analyzer.Unneeded, "syscall:socket(0=AF_INET,AF_NETLINK)": analyzer.Unneeded,
		"capability:CAP_NET_ADMIN": analyzer.Unneeded, "write:/spare": analyzer.Unneeded,
		"syscall:read": analyzer.Undecided, "resource:memory": "absent",
	} {
		if got := r.need(id); got != want {
			t.Errorf("%s is %s, want %s", id, got, want)
		}
	}
	// A script's interpreter comes with it, so that one of the two is enough.
	if a, b := r.need("execute:/static"), r.need("execute:/script"); a == b || a == analyzer.Undecided || b == analyzer.Undecided {
		t.Errorf("the program is %s, a script that it interprets %s", a, b)
	}
	for _, p := range r.Permissions {
		t.Logf("%s %s: %s", p.Need, p.ID, p.Reason)
		if p.ID != "mount:/place" {
			continue
		}
		f := p.Failure
		if f == nil || f.Output == "" || !strings.Contains(f.Line, "write: E") {
			t.Errorf("the failure without the mount is %+v", f)
			continue
		}
		if text, err := os.ReadFile(filepath.Join(j.Dir, f.Output)); err != nil || !strings.Contains(string(text), f.Line) {
			t.Errorf("its output is %q, %v", text, err)
		}
	}
	if left, err := os.ReadDir(filepath.Join(j.Dir, "volumes")); err == nil && len(left) > 0 {
		t.Errorf("%d volumes are left", len(left))
	}
	data, err := os.ReadFile(filepath.Join(j.Dir, ResultsFile))
	if err != nil {
		t.Fatal(err)
	}
	if kept, err := prove.DecodeResults(data); err != nil || !reflect.DeepEqual(kept, r.Results) {
		t.Errorf("the results that were kept are %+v, %v", kept, err)
	}
	l.passes(t, w, r, m)
}

// passes runs the workload under what is left.
func (l *lab) passes(t *testing.T, w workload.Job, r *Results, m *manifest.Manifest) {
	t.Helper()
	minimal, _, err := r.Minimal(m)
	if err != nil {
		t.Fatal(err)
	}
	w.Options.BestEffort = true
	w.Volume = func(string) (string, error) { return t.TempDir(), nil }
	trial, err := workload.Try(t.Context(), l.store, w, minimal)
	if err != nil || trial.Failure != nil {
		t.Errorf("under what is left: %+v, %v", trial, err)
	}
	if left := len(minimal.Permissions()); left >= len(m.Permissions()) {
		t.Errorf("%d permissions are left of %d", left, len(m.Permissions()))
	}
}

// TestNewVolumes: no run finds what another has written.
func TestNewVolumes(t *testing.T) {
	l := newLab(t, "static")
	_, m := l.writing(t)
	w := l.workload(t, "syscall", fmt.Sprint(unix.SYS_OPENAT), fmt.Sprint(unix.AT_FDCWD), "s:/place/file",
		fmt.Sprint(unix.O_CREAT|unix.O_EXCL|unix.O_WRONLY), "420")
	if _, err := Run(t.Context(), l.store, l.job(t, w, m)); err != nil {
		t.Errorf("a file that must be new: %v", err)
	}
	// One that is named is the same for all.
	w.Options.Volumes = []plan.Volume{{Source: "another", Path: "/place"}}
	var flaky *prove.FlakyError
	if _, err := Run(t.Context(), l.store, l.job(t, w, m)); !errors.As(err, &flaky) || flaky.Passed != 1 {
		t.Errorf("a file that must be new, in a volume that is kept: %v", err)
	}
}

// TestResume interrupts a search in the middle of a run, twice.
func TestResume(t *testing.T) {
	l := newLab(t, "static")
	w, m := l.writing(t)
	want, err := Run(t.Context(), l.store, l.job(t, w, m))
	if err != nil {
		t.Fatal(err)
	}
	j := l.job(t, w, m)
	for _, after := range []int{2, 9} {
		ctx, cancel := context.WithCancel(t.Context())
		j.Progress = func(p prove.Progress) {
			if p.Done >= after {
				time.AfterFunc(time.Millisecond, cancel)
			}
		}
		if _, err := Run(ctx, l.store, j); !errors.Is(err, context.Canceled) {
			t.Fatalf("interrupted after %d: %v", after, err)
		}
		cancel()
	}
	j.Progress = nil
	got, err := Run(t.Context(), l.store, j)
	if err != nil {
		t.Fatal(err)
	}
	if got.Resumed < 9 {
		t.Errorf("%d outcomes were there", got.Resumed)
	}
	// What the runtime of Go does besides differs from run to run.
	for _, id := range []string{"mount:/place", "syscall:openat", "syscall:ptrace", "capability:CAP_NET_ADMIN", "write:/spare"} {
		if need := got.need(id); need != want.need(id) {
			t.Errorf("%s is %s, and %s without a pause", id, need, want.need(id))
		}
	}
	// Once more there is nothing to do.
	again, err := Run(t.Context(), l.store, j)
	if err != nil || again.Resumed != got.Trials || !reflect.DeepEqual(again.Results, got.Results) {
		t.Errorf("again: %+v, %v", again, err)
	}
	// Another workload is another matter.
	j.Workload.Options.Env = []string{"A=b"}
	var folder *FolderError
	if _, err := Run(t.Context(), l.store, j); !errors.As(err, &folder) || !errors.Is(err, journal.ErrForeign) {
		t.Errorf("another workload in the same folder: %v", err)
	}
}

// TestNothingToConclude is of workloads that do not pass with everything.
func TestNothingToConclude(t *testing.T) {
	l := newLab(t, "static")
	w, m := l.writing(t)

	t.Run("now and then", func(t *testing.T) {
		count := filepath.Join(t.TempDir(), "count")
		flaky := w
		flaky.Exercises = []string{fmt.Sprintf("n=$(cat %[1]s 2>&- || echo 0); echo $((n + 1)) >%[1]s; [ $n != 1 ] || { echo 'an error by chance'; false; }", count)}
		flaky.Options.Args = []string{"sleep", "1h"}
		whole := l.record(t, l.workload(t, "sleep", "1ms")).Manifest
		whole.Syscalls.Allow = m.Syscalls.Allow
		j := l.job(t, flaky, whole)
		var f *prove.FlakyError
		_, err := Run(t.Context(), l.store, j)
		if !errors.As(err, &f) || f.Passed != 2 || f.Outcome.Line != "an error by chance" || !strings.Contains(f.Hint(), j.Dir) {
			t.Errorf("error: %v", err)
		}
	})
	t.Run("never", func(t *testing.T) {
		n := *m
		n.Syscalls.Allow = slices.DeleteFunc(slices.Clone(m.Syscalls.Allow), func(s manifest.Syscall) bool { return s.Name == "openat" })
		var b *prove.BrokenError
		_, err := Run(t.Context(), l.store, l.job(t, w, &n))
		if !errors.As(err, &b) || !strings.Contains(err.Error(), "openat") {
			t.Errorf("error: %v", err)
		}
	})
}

// TestEndless: a workload that ended when it was recorded, and does not under
// its manifest, is no reason to wait for ever.
func TestEndless(t *testing.T) {
	l := newLab(t, "static")
	p := l.record(t, l.workload(t, "sleep", "1ms"))
	j := l.job(t, l.workload(t, "sleep", "1h"), p.Manifest)
	j.Repeat, j.Recorded = 1, time.Millisecond
	var b *prove.BrokenError
	_, err := Run(t.Context(), l.store, j)
	if !errors.As(err, &b) || b.Outcome.Verdict != prove.TimedOut {
		t.Errorf("error: %v", err)
	}
}

// TestServer proves a server that is exercised from outside, one run at a time.
func TestServer(t *testing.T) {
	if _, err := exec.LookPath("redis-cli"); err != nil {
		stage.Missing(t, "%v", err)
	}
	l := newLab(t, "redis")
	w := l.workload(t)
	w.Identity = manifest.IdentitySingle
	w.Exercises = []string{`test "$(redis-cli -h "$LPM_HOST" -p "$LPM_PORT" ping)" = PONG`}
	p := l.record(t, w)
	j := l.job(t, w, p.Manifest)
	j.Why, j.Repeat = p.Why, 2
	r, err := Run(t.Context(), l.store, j)
	if err != nil {
		t.Fatal(err)
	}
	for id, want := range map[string]analyzer.Need{
		"network:host": analyzer.Needed, "listen:tcp/6379": analyzer.Needed, "syscall:listen": analyzer.Needed, "syscall:bind": analyzer.Needed,
		// Without it redis goes on waiting, and refuses each connection.
		"syscall:accept4": analyzer.Needed,
		"syscall:sysinfo": analyzer.Unneeded,
		// It stops as it is told, but in another way.
		"syscall:rt_sigaction": analyzer.Needed,
	} {
		if got := r.need(id); got != want {
			t.Errorf("%s is %s, want %s", id, got, want)
		}
	}
	for _, p := range r.Permissions {
		t.Logf("%s %s: %s", p.Need, p.ID, p.Reason)
	}
	l.passes(t, w, r, p.Manifest)
}
