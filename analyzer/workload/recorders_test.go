package workload

import (
	"fmt"
	"net"
	"os"
	"os/exec"
	"slices"
	"strings"
	"testing"

	"golang.org/x/net/dns/dnsmessage"

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

// TestAsRootRecordersAgreeOnMore: what answers from name servers said, and whom
// signals went to.
func TestAsRootRecordersAgreeOnMore(t *testing.T) {
	privileged(t)
	serveNames(t, "127.0.0.9:53")
	l := newLab(t, "python3")
	l.agree(t, nil, func() Job {
		j := l.job(t, "-c", asksAndSignals)
		return j
	})
	j := l.job(t, "-c", asksAndSignals)
	j.Recorder = EBPF
	o := l.run(t, j)
	want := []string{
		"name one.example: 192.0.2.1", "name three.example: 192.0.2.3", "name two.example: 192.0.2.2",
		"signal 10 to group", "signal 12 to foreign", "signal 15 to foreign", "signal 18 to group",
	}
	if got := alike(o.Record); !slices.Equal(slices.DeleteFunc(got, func(s string) bool { return strings.HasPrefix(s, "read ") }), want) {
		t.Errorf("seen %q, want %q", got, want)
	}
}

// asksAndSignals receives answers in three ways, and sends signals to a group,
// to a process of its own, to one of another and to itself.
const asksAndSignals = `
import os, select, signal, socket, struct, time
def ask(s, n, name, send):
    send(struct.pack(">6H", n, 256, 1, 0, 0, 0) + b"".join(bytes([len(x)]) + x.encode() for x in name.split(".")) + bytes([0, 0, 1, 0, 1]))
    select.select([s], [], []) # as resolvers do
where = ("127.0.0.9", 53)
s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM); s.connect(where)
ask(s, 1, "one.example", s.send); s.recvfrom(4096)
s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
ask(s, 2, "two.example", lambda m: s.sendto(m, where)); s.recvfrom(4096)
ask(s, 3, "three.example", lambda m: s.sendto(m, where)); s.recvmsg(4096)
for n in (signal.SIGUSR1, signal.SIGCONT): signal.signal(n, signal.SIG_IGN)
def child(own):
    r, w = os.pipe()
    pid = os.fork()
    if pid == 0:
        for n in (signal.SIGUSR2, signal.SIGTERM): signal.signal(n, signal.SIG_DFL)
        if own: os.setpgid(0, 0)
        os.write(w, b".")
        while True: time.sleep(1000)
    os.read(r, 1)
    return pid
pid = child(True); os.kill(pid, signal.SIGUSR2); os.waitpid(pid, 0)
pid = child(True); os.killpg(pid, signal.SIGTERM); os.waitpid(pid, 0)
pid = child(False); os.kill(pid, signal.SIGUSR1); os.kill(0, signal.SIGCONT)
os.kill(os.getpid(), signal.SIGUSR1)
os._exit(0)
`

// serveNames answers each question with an address whose last number is the
// question's.
func serveNames(t *testing.T, address string) {
	t.Helper()
	server, err := net.ListenPacket("udp", address)
	if err != nil {
		stage.Missing(t, "a name server of the test's own: %v", err)
	}
	done := make(chan struct{})
	t.Cleanup(func() { server.Close(); <-done })
	go func() {
		defer close(done)
		b := make([]byte, 512)
		for {
			n, from, err := server.ReadFrom(b)
			if err != nil {
				return
			}
			var m dnsmessage.Message
			if m.Unpack(b[:n]) != nil || len(m.Questions) != 1 {
				continue
			}
			m.Response = true
			m.Answers = []dnsmessage.Resource{{
				Header: dnsmessage.ResourceHeader{Name: m.Questions[0].Name, Class: dnsmessage.ClassINET, TTL: 60},
				Body:   &dnsmessage.AResource{A: [4]byte{192, 0, 2, byte(m.ID)}},
			}}
			if answer, err := m.Pack(); err == nil {
				_, _ = server.WriteTo(answer, from)
			}
		}
	}()
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
			for _, r := range seen[kind] {
				permissions[i] = append(permissions[i], alike(r)...)
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
	t.Errorf("the proposals, or the records, differ:\n%s", strings.Join(differ, "\n"))
}

// alike are the facts of a record that a proposal may leave out.
func alike(r *evidence.Record) []string {
	var list []string
	for _, n := range r.Names {
		list = append(list, fmt.Sprintf("name %s: %s", n.Name, strings.Join(n.Addresses, " ")))
	}
	for _, s := range r.Signals {
		list = append(list, fmt.Sprintf("signal %d to %s", s.Number, s.To))
	}
	for _, f := range r.Reads {
		if !strings.HasPrefix(f.Path, "/proc/") { // numbers of processes
			list = append(list, "read "+f.Path)
		}
	}
	slices.Sort(list)
	return list
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

// TestAsRootPeakOfThreads: threads that are gone before a sample could be taken
// have all been counted.
func TestAsRootPeakOfThreads(t *testing.T) {
	privileged(t)
	l := labOf(t, archive(t, whole("threads.c", "/bin/main")(t)))
	j := l.job(t)
	j.Recorder = EBPF
	o := l.run(t, j)
	if o.Failure != nil || o.Record.Lost > 0 || o.Record.Peaks.PIDs != 9 {
		t.Errorf("failure %v, lost %d, at most %d threads at a time, not 9", o.Failure, o.Record.Lost, o.Record.Peaks.PIDs)
	}
}
