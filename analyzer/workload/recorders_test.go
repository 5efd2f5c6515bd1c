package workload

import (
	"fmt"
	"os"
	"os/exec"
	"slices"
	"strings"
	"testing"

	"github.com/least-privilege/lpm/analyzer"
	"github.com/least-privilege/lpm/analyzer/evidence"
	"github.com/least-privilege/lpm/analyzer/internal/stage"
)

// privileged leaves a test out that only root can run; the kernel tests run
// as root too.
func privileged(t *testing.T) {
	t.Helper()
	if os.Getuid() != 0 {
		t.Skip("the ebpf recorder takes root")
	}
}

// both are workloads that do the same each time.
func both() []server {
	return []server{
		{
			image: "redis", port: 6379, tools: []string{"redis-cli"},
			// What takes long is logged with its peer's name.
			exercise: `redis-cli -p $LPM_PORT config set slowlog-log-slower-than -1 && redis-cli -p $LPM_PORT set a b && redis-cli -p $LPM_PORT save`,
		},
		{
			image: "redis-entry", port: 6379, tools: []string{"redis-cli"},
			exercise:     `redis-cli -p $LPM_PORT config set slowlog-log-slower-than -1 && redis-cli -p $LPM_PORT set a b && redis-cli -p $LPM_PORT save`,
			capabilities: []string{"CAP_CHOWN", "CAP_SETGID", "CAP_SETUID"},
		},
		{
			// Its log is a link to /dev/stdout, opened to be made if need be.
			image: "nginx-entry", port: 8081, tools: []string{"curl"}, exercise: `curl -fsS -o /dev/null http://$LPM_HOST:$LPM_PORT/`,
			capabilities: []string{"CAP_CHOWN", "CAP_SETGID", "CAP_SETUID"},
		},
	}
}

// TestAsRootRecordersAgree: what is proposed from the same work is the same, whoever
// has watched it. The rule has two exceptions: resources are measured and not
// seen; and the seccomp recorder, which infers capabilities, may find one that
// the kernel did not look for (as when Go's runtime signals a thread of a
// process that is changing its user), while those that the kernel did look for
// are known here and are the same each time. A call that one run happened to
// make and the other did not may be made up for by the next runs of both.
func TestAsRootRecordersAgree(t *testing.T) {
	privileged(t)
	for _, s := range both() {
		t.Run(s.image, func(t *testing.T) {
			for _, tool := range s.tools {
				if _, err := exec.LookPath(tool); err != nil {
					stage.Missing(t, "%v", err)
				}
			}
			l := newLab(t, s.image)
			l.agree(t, s.capabilities, func() Job {
				free(t, s.port)
				j := l.job(t)
				j.Exercises = []string{s.exercise}
				return j
			})
		})
	}
	t.Run("a script", func(t *testing.T) {
		l := newLab(t, "redis-entry")
		l.agree(t, []string{"CAP_CHOWN", "CAP_DAC_OVERRIDE", "CAP_FOWNER"}, func() Job {
			j := l.job(t, "sh", "-ec", script)
			j.Options.Entrypoint = []string{}
			return j
		})
	})
}

// script does a little of everything with files, and what takes each of the
// capabilities that are about them.
const script = `
mkdir -p /tmp/a/b; cd /tmp/a
echo text >b/f; ln -s f b/l; cat b/l; ln b/f b/h; chmod 600 b/f; mv b/f b/g; rm -r b
cd ..; rmdir a; : >>/dev/stderr; echo >/dev/null
printf '#!/bin/sh\nexec true\n' >script; chmod +x script; ./script
mkdir own; touch own/f; chown 33:33 own own/f; chmod 700 own; chmod 600 own/f
cat own/f; touch own/new; echo more >>own/f; ls -l own
for i in $(seq 50); do /bin/true; done`

// agree records twice, and compares.
func (l *lab) agree(t *testing.T, capabilities []string, job func() Job) {
	t.Helper()
	const rounds = 3
	seen := map[RecorderKind][]*evidence.Record{}
	var differ []string
	for range rounds {
		var permissions [2][]string
		for i, kind := range []RecorderKind{Seccomp, EBPF} {
			j := job()
			j.Recorder = kind
			o := l.run(t, j)
			if o.Failure != nil || o.Record.Lost > 0 || len(o.Record.Truncated) > 0 || o.Record.Recorder != string(kind) {
				t.Fatalf("%s: failure %v, lost %d, truncated %v, recorder %q", kind, o.Failure, o.Record.Lost, o.Record.Truncated, o.Record.Recorder)
			}
			seen[kind] = append(seen[kind], o.Record)
			p, err := analyzer.Propose(seen[kind], o.Facts)
			if err != nil {
				t.Fatal(err)
			}
			var names []string
			for _, c := range p.Manifest.Capabilities {
				names = append(names, c.Name)
			}
			if kind == EBPF && !slices.Equal(names, capabilities) {
				t.Errorf("capabilities %q, want %q", names, capabilities)
			}
			for _, permission := range p.Manifest.Permissions() {
				if !strings.HasPrefix(permission.Path, "resources") {
					permissions[i] = append(permissions[i], permission.ID)
				}
			}
		}
		if differ = difference(permissions[0], permissions[1]); len(differ) == 0 {
			return
		}
	}
	t.Errorf("the proposals differ:\n%s", strings.Join(differ, "\n"))
}

func difference(a, b []string) []string {
	var lines []string
	for _, one := range a {
		if !slices.Contains(b, one) && !strings.HasPrefix(one, "capability:") {
			lines = append(lines, "seccomp alone: "+one)
		}
	}
	for _, one := range b {
		if !slices.Contains(a, one) {
			lines = append(lines, "ebpf alone: "+one)
		}
	}
	return lines
}

// TestAsRootShortProcesses: of two thousand processes that are gone before anybody
// could look at them nothing is lost, neither what they are nor what they
// name.
func TestAsRootShortProcesses(t *testing.T) {
	privileged(t)
	const processes = 2000
	l := newLab(t, "redis-entry")
	j := l.job(t, "sh", "-ec", fmt.Sprintf("for i in $(seq %d); do /bin/mkdir -m 700 /tmp/$i; done", processes))
	j.Options.Entrypoint, j.Recorder = []string{}, EBPF
	o := l.run(t, j)
	if o.Failure != nil || o.Record.Lost > 0 || len(o.Record.Truncated) > 0 {
		t.Fatalf("failure %v, lost %d, truncated %v", o.Failure, o.Record.Lost, o.Record.Truncated)
	}
	made := 0
	for _, f := range o.Record.Files {
		if strings.HasPrefix(f.Path, "/tmp/") && slices.Equal(f.Programs, []string{"/usr/bin/mkdir"}) && slices.Contains(f.Access, evidence.MakeDir) {
			made++
		}
	}
	program := slices.IndexFunc(o.Record.Programs, func(p evidence.Program) bool { return p.Path == "/usr/bin/mkdir" })
	if made != processes || callCount(o.Record, "mkdir") != processes || program < 0 || o.Record.Programs[program].Count != processes {
		t.Errorf("%d folders, %d calls, programs %+v", made, callCount(o.Record, "mkdir"), o.Record.Programs)
	}
	propose(t, o)
}
