package workload

import (
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	reference "github.com/google/go-containerregistry/pkg/name"
	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/mutate"
	"github.com/google/go-containerregistry/pkg/v1/tarball"

	"github.com/least-privilege/lpm/analyzer/evidence"
	"github.com/least-privilege/lpm/analyzer/internal/stage"
)

// checkedImage is a lab with one of the test images that has been given a health
// check.
func checkedImage(t *testing.T, image string, h *v1.HealthConfig, more ...func(*v1.Config)) *lab {
	t.Helper()
	base, err := tarball.ImageFromPath(stage.Archive(t, image), nil)
	if err != nil {
		t.Fatal(err)
	}
	file, err := base.ConfigFile()
	if err != nil {
		t.Fatal(err)
	}
	config := file.Config
	config.Healthcheck = h
	for _, change := range more {
		change(&config)
	}
	changed, err := mutate.Config(base, config)
	if err != nil {
		t.Fatal(err)
	}
	tag, err := reference.NewTag("checked:latest")
	if err != nil {
		t.Fatal(err)
	}
	out := filepath.Join(t.TempDir(), "checked.tar")
	if err := tarball.WriteToFile(out, tag, changed); err != nil {
		t.Fatal(err)
	}
	s, i := stage.Load(t, out)
	return &lab{t, s, i}
}

// checked is a lab whose image's check is what the job's CHECK says.
func checked(t *testing.T) *lab {
	t.Helper()
	return checkedImage(t, "redis-entry", &v1.HealthConfig{Test: []string{"CMD-SHELL", `eval "$CHECK"`}, Timeout: time.Second}, func(c *v1.Config) {
		c.ExposedPorts, c.Entrypoint, c.Cmd = nil, nil, []string{"/bin/sh", "-c", `eval "$BEFORE"; trap 'exit 0' TERM; sleep 1000 & wait`}
	})
}

// idle is a container that does nothing until it is told to end.
func (l *lab) idle(t *testing.T, run time.Duration, before, check string) Job {
	t.Helper()
	j := l.job(t)
	j.Options.Env, j.For = []string{"BEFORE=" + before, "CHECK=" + check}, run
	return j
}

// recorders are those that this account can use.
func recorders() []RecorderKind {
	if os.Getuid() != 0 {
		return []RecorderKind{Seccomp}
	}
	return []RecorderKind{Seccomp, EBPF}
}

// TestHealthcheck: what the image's check does, and its main program does not,
// is in the record and in the proposal.
func TestHealthcheck(t *testing.T) {
	const check = `/bin/mkdir /tmp/checked && /bin/rmdir /tmp/checked && echo fine`
	l := checked(t)
	for _, kind := range recorders() {
		t.Run(string(kind), func(t *testing.T) {
			j := l.idle(t, settled, "", check)
			j.Recorder = kind
			o := l.run(t, j)
			if o.Failure != nil || o.Record.Lost > 0 || mentions(o.Warnings, "health check") {
				t.Errorf("failure %v, lost %d, warnings %q", o.Failure, o.Record.Lost, o.Warnings)
			}
			h := o.Record.Workload.Healthcheck
			if h == nil || h.Runs != 1 || h.Failed != 0 || !slices.Equal(h.Test, []string{"/bin/sh", "-c", `eval "$CHECK"`}) {
				t.Fatalf("health check: %+v", h)
			}
			for name, want := range map[string]bool{"mkdir": true, "rmdir": true, "execve": false} {
				if got := byCheck(o.Record, name); got != want {
					t.Errorf("%s was made by the health check alone: %v", name, got)
				}
			}
			if at := slices.IndexFunc(o.Record.Files, func(f evidence.File) bool { return f.Path == "/tmp/checked" }); at < 0 || o.Record.Files[at].Check != 2 {
				t.Errorf("files %+v", o.Record.Files)
			}
			if _, err := o.Record.Encode(); err != nil {
				t.Error(err)
			}
			p := propose(t, o)
			for _, want := range []string{"syscall:mkdir", "syscall:rmdir", "execute:/usr/bin/mkdir"} {
				if why, ok := p.Why[want]; !ok || why.Checks != why.Count || !strings.Contains(why.Text, "health check") {
					t.Errorf("%s is explained by %+v", want, why)
				}
			}
			// The shell is run by both.
			for want, checks := range map[string]uint64{"execute:/usr/bin/sleep": 0, "execute:/usr/bin/dash": 1} {
				if why := p.Why[want]; why.Count != checks+1 || why.Checks != checks || strings.Contains(why.Text, "health check") {
					t.Errorf("%s is explained by %+v", want, why)
				}
			}
		})
	}
	t.Run("left out", func(t *testing.T) {
		j := l.idle(t, settled, "", check)
		j.NoHealthcheck = true
		unchecked(t, l.run(t, j))
	})
	t.Run("NONE", func(t *testing.T) {
		l := checkedImage(t, "redis-entry", &v1.HealthConfig{Test: []string{"NONE"}})
		j := l.idle(t, settled, "", check)
		j.Options.Entrypoint = []string{"/bin/sh", "-c", "trap 'exit 0' TERM; sleep 1000 & wait"}
		unchecked(t, l.run(t, j))
	})
}

// byCheck reports whether a call was made by nothing but the health check.
func byCheck(r *evidence.Record, name string) bool {
	at := slices.IndexFunc(r.Calls, func(c evidence.Call) bool { return c.Name == name })
	return at >= 0 && r.Calls[at].Check == r.Calls[at].Count
}

// unchecked looks for what no health check may have left.
func unchecked(t *testing.T, o *Outcome) {
	t.Helper()
	if o.Failure != nil || o.Record.Workload.Healthcheck != nil || callCount(o.Record, "mkdir") > 0 || mentions(o.Warnings, "health check") {
		t.Errorf("failure %v, health check %+v, warnings %q", o.Failure, o.Record.Workload.Healthcheck, o.Warnings)
	}
}

// TestHealthOf reads what images have.
func TestHealthOf(t *testing.T) {
	for _, test := range []struct {
		name    string
		check   *v1.HealthConfig
		shell   []string
		command []string
		wrong   bool
	}{
		{name: "no check"},
		{name: "an inherited one", check: &v1.HealthConfig{}},
		{name: "NONE", check: &v1.HealthConfig{Test: []string{"NONE"}}},
		{name: "CMD", check: &v1.HealthConfig{Test: []string{"CMD", "a", "b c"}}, command: []string{"a", "b c"}},
		{name: "CMD-SHELL", check: &v1.HealthConfig{Test: []string{"CMD-SHELL", "a; b"}}, command: []string{"/bin/sh", "-c", "a; b"}},
		{name: "another shell", check: &v1.HealthConfig{Test: []string{"CMD-SHELL", "a"}}, shell: []string{"/bin/ash", "-ec"}, command: []string{"/bin/ash", "-ec", "a"}},
		{name: "CMD of nothing", check: &v1.HealthConfig{Test: []string{"CMD"}}, wrong: true},
		{name: "CMD of an empty word", check: &v1.HealthConfig{Test: []string{"CMD", ""}}, wrong: true},
		{name: "CMD-SHELL of two", check: &v1.HealthConfig{Test: []string{"CMD-SHELL", "true", "true"}}, wrong: true},
		{name: "another kind", check: &v1.HealthConfig{Test: []string{"HTTP", "/"}}, wrong: true},
	} {
		t.Run(test.name, func(t *testing.T) {
			h, err := healthOf(v1.Config{Healthcheck: test.check, Shell: test.shell})
			if (err != nil) != test.wrong || (h == nil) != (test.command == nil) || h != nil && !slices.Equal(h.command, test.command) {
				t.Errorf("health check %+v, error %v", h, err)
			}
		})
	}
	h, err := healthOf(v1.Config{Healthcheck: &v1.HealthConfig{Test: []string{"CMD", "a"}, Interval: 1, Timeout: -1}})
	if err != nil || h.interval != time.Second || h.timeout != 30*time.Second {
		t.Errorf("health check %+v, error %v", h, err)
	}
}

// TestHealthcheckFails: whatever is wrong with a check is said, and the run goes
// on.
func TestHealthcheckFails(t *testing.T) {
	l := checked(t)
	for _, test := range []struct{ name, check, said string }{
		{"by its status", `printf 'sick\033'; exit 3`, `status 3 and printed "sick\x1b"`},
		{"by a signal", "kill -KILL $$", "status 137"},
		{"by hanging", "sleep 1000; true", "did not end within 1s and was killed"},
		{"by removing its program", "rm /usr/bin/dash; false", "could not be started"},
		{"at first", "rmdir /tmp/well || ! mkdir /tmp/well", "failed 1 of 2 times"},
	} {
		t.Run(test.name, func(t *testing.T) {
			o := l.run(t, l.idle(t, settled, "", test.check))
			h := o.Record.Workload.Healthcheck
			if o.Failure != nil || !mentions(o.Warnings, test.said) || h == nil || h.Failed == 0 || h.Failed > h.Runs {
				t.Errorf("failure %v, warnings %q, health check %+v", o.Failure, o.Warnings, h)
			}
		})
	}
	t.Run("by missing", func(t *testing.T) {
		l := checkedImage(t, "static", &v1.HealthConfig{Test: []string{"CMD-SHELL", "true"}})
		o := l.run(t, l.job(t, "hello"))
		if o.Failure != nil || !mentions(o.Warnings, "cannot be started") || o.Record.Workload.Healthcheck != nil {
			t.Errorf("failure %v, warnings %q", o.Failure, o.Warnings)
		}
	})
}

// TestHealthcheckSurroundings: a check is in the container as its programs are.
func TestHealthcheckSurroundings(t *testing.T) {
	const show = `show() { while read -r k v; do case $k in Uid:|Gid:|Groups:|Cap*|NoNewPrivs:|Seccomp*) echo $k $v;; esac; done </proc/self/status
for n in /proc/self/ns/*; do readlink $n; done; echo $HOME $PATH $HOSTNAME; pwd; umask; ulimit -a; ulimit -Ha; id; ls /proc/self/fd | wc -l; }; `
	l := checked(t)
	o := l.run(t, l.idle(t, settled, show+"show >/tmp/main", show+`show >/tmp/check; head -n 99 /tmp/check /tmp/main; test "$(cat /tmp/main)" = "$(cat /tmp/check)"`))
	if h := o.Record.Workload.Healthcheck; h == nil || h.Runs == 0 || h.Failed > 0 {
		t.Errorf("health check: %+v, warnings %q", h, o.Warnings)
	}
}

// TestHealthcheckReady: where no port is exposed, an exercise waits for the
// check.
func TestHealthcheckReady(t *testing.T) {
	l := checked(t)
	j := l.idle(t, 0, "sleep 2; >/tmp/ready", "test -e /tmp/ready")
	j.Exercises = []string{"true"}
	begun := time.Now()
	if o := l.run(t, j); o.Failure != nil || time.Since(begun) < 2*time.Second {
		t.Errorf("failure %v after %s", o.Failure, time.Since(begun))
	}
	j = l.idle(t, 0, "", "false")
	j.Exercises, j.Ready = []string{"true"}, settled
	var never *NotReadyError
	if o := l.run(t, j); !errors.As(o.Failure, &never) || !strings.Contains(never.Error(), "never passed its health check") {
		t.Errorf("failure %v", o.Failure)
	}
}

// TestHealthcheckOutlived: what a check leaves behind is recorded and ends with
// the container; a container that ends under a check does end.
func TestHealthcheckOutlived(t *testing.T) {
	l := checked(t)
	if o := l.run(t, l.idle(t, settled, "", "(sleep 1; mkdir /tmp/later; sleep 1000) & exit 0")); o.Failure != nil || !byCheck(o.Record, "mkdir") {
		t.Errorf("failure %v, mkdir made by the check: %v", o.Failure, byCheck(o.Record, "mkdir"))
	}
	if o := l.run(t, l.idle(t, time.Minute, "", "kill 1; sleep 1000")); o.Failure != nil || o.Record.Duration > 30_000 {
		t.Errorf("failure %v, after %d ms", o.Failure, o.Record.Duration)
	}
}

// TestHealthcheckCannotBeLookedAt: a container that waits for the processes of
// health checks learns nothing of lpm's by them, nor can trace them, before they
// run the check's program. (Where there is Landlock it cannot after that either.)
func TestHealthcheckCannotBeLookedAt(t *testing.T) {
	l := checkedImage(t, "python3", &v1.HealthConfig{Test: []string{"CMD", "/usr/bin/python3", "-c", "import sys; sys.exit(7)"}}, func(c *v1.Config) {
		c.User, c.ExposedPorts = "", nil
	})
	j := l.job(t, "-c", looksAtOthers)
	o := l.run(t, j)
	h := o.Record.Workload.Healthcheck
	if o.Failure != nil || h == nil || h.Runs < 2 {
		t.Fatalf("failure %v, health check %+v", o.Failure, h)
	}
	if got := strings.TrimSpace(printed(t, j)); got != "refused" {
		t.Errorf("the container found %q", got)
	}
}

// looksAtOthers prints what it finds out of the processes that come while it runs,
// beside the check's command line, and whether it was refused something. What it
// can look at it could trace too.
const looksAtOthers = `
import os, time
own, found, caught, until = str(os.getpid()), set(), False, time.time() + 5
while time.time() < until:
    for p in os.listdir("/proc"):
        if not p.isdigit() or p == own: continue
        d = "/proc/" + p
        try:
            cmdline = open(d + "/cmdline").read()
            if cmdline.strip("\0") and not cmdline.startswith("/usr/bin/python3"): found.add("cmdline:" + cmdline)
        except OSError: continue
        try: exe = os.readlink(d + "/exe"); "python3" in exe or found.add("exe:" + exe)
        except PermissionError: caught = True
        except OSError: pass
        for what in "environ", "mem", "maps", "fd/0", "cwd", "root":
            try: open(d + "/" + what).close()
            except PermissionError: caught = True
            except OSError: pass
print(*sorted(found), "refused" if caught else "missed")
`
