package workload

import (
	"bytes"
	"fmt"
	"os/exec"
	"path"
	"slices"
	"testing"

	"github.com/least-privilege/lpm/analyzer"
	"github.com/least-privilege/lpm/analyzer/evidence"
	"github.com/least-privilege/lpm/manifest"
	"github.com/least-privilege/lpm/schema"
)

// server is an image of a real server and what exercises it.
type server struct {
	image    string
	port     int
	tools    []string
	exercise string
	program  string   // a pattern, for releases differ in the version
	writes   []string // the proposal's writable folders
	volumes  []string
}

func servers() []server {
	return []server{
		{
			image: "redis", port: 6379, tools: []string{"redis-benchmark"}, program: "/usr/bin/redis-check-rdb",
			exercise: `redis-benchmark -h "$LPM_HOST" -p "$LPM_PORT" -q -n 500 -c 5`,
		},
		{
			image: "nginx", port: 8080, tools: []string{"wrk", "curl"}, program: "/usr/sbin/nginx",
			exercise: `wrk -t 1 -c 4 -d 1s "http://$LPM_HOST:$LPM_PORT/" && curl -fsS --compressed -o /dev/null "http://$LPM_HOST:$LPM_PORT/large/"`,
			writes:   []string{"/tmp", "/var/lib/nginx"},
		},
		{
			image: "python3", port: 8000, tools: []string{"curl"}, program: "/usr/bin/python3.*",
			exercise: `set -e
url=http://$LPM_HOST:$LPM_PORT
for note in a b c; do curl -fsS -d "note $note" "$url/notes/$note"; done
curl -fsS "$url/" "$url/notes" "$url/notes/a" "$url/digest/b"
curl -fsS "$url/archive" | gzip -t
curl -fsS -X DELETE "$url/notes/c"`,
			writes: []string{"/tmp"}, volumes: []string{"/data"},
		},
	}
}

// TestServers records real servers at work. What is proposed from it has to be
// the same each time, be a valid file, and hold what the server is known to
// do.
func TestServers(t *testing.T) {
	for _, s := range servers() {
		t.Run(s.image, func(t *testing.T) {
			for _, tool := range s.tools {
				if _, err := exec.LookPath(tool); err != nil {
					missing(t, "%v", err)
				}
			}
			l := newLab(t, s.image)
			free(t, s.port)
			j := l.job(t)
			j.Exercise = s.exercise
			o := l.run(t, j)
			if o.Failure != nil || len(o.Warnings) > 0 {
				t.Fatalf("failure %v, warnings %q", o.Failure, o.Warnings)
			}
			if o.Record.Lost > 0 || len(o.Record.Truncated) > 0 || o.Record.Libc == "" {
				t.Errorf("lost %d, truncated %v, libc %q", o.Record.Lost, o.Record.Truncated, o.Record.Libc)
			}
			m := sameAgain(t, o).Manifest
			s.holds(t, m)
			l.isEnough(t, s, m)
		})
	}
}

// sameAgain proposes from the record, and again from its encoding, and holds
// the file against the manifest.
func sameAgain(t *testing.T, o *Outcome) *analyzer.Proposal {
	t.Helper()
	p := propose(t, o)
	text := p.CUE()
	encoded, err := o.Record.Encode()
	if err != nil {
		t.Fatal(err)
	}
	decoded, err := evidence.Decode(encoded)
	if err != nil {
		t.Fatal(err)
	}
	for range 3 {
		again, err := analyzer.Propose([]*evidence.Record{decoded}, o.Facts)
		if err != nil {
			t.Fatal(err)
		}
		if !bytes.Equal(again.CUE(), text) {
			t.Fatalf("another proposal from the same record:\n%s\nnot\n%s", again.CUE(), text)
		}
	}
	written, err := schema.Decode("proposal.cue", text)
	if err != nil {
		t.Fatalf("the proposal is not a valid file: %v\n%s", err, text)
	}
	got, err := written.Digest()
	if err != nil {
		t.Fatal(err)
	}
	want, err := p.Manifest.Digest()
	if err != nil {
		t.Fatal(err)
	}
	if got != want {
		t.Errorf("the file says something else than the manifest:\n%s", text)
	}
	return p
}

// holds checks a proposal for what is known of the server.
func (s server) holds(t *testing.T, m *manifest.Manifest) {
	t.Helper()
	if len(m.Execute) != 1 {
		t.Errorf("execute: %+v", m.Execute)
	} else if is, err := path.Match(s.program, m.Execute[0].Path); !is || err != nil {
		t.Errorf("execute: %+v", m.Execute)
	}
	if m.Identity.Mode != manifest.IdentitySingle || len(m.Capabilities) > 0 {
		t.Errorf("identity %+v, capabilities %+v", m.Identity, m.Capabilities)
	}
	var listens, writes, volumes []string
	for _, l := range m.Network.Listen {
		listens = append(listens, fmt.Sprintf("%d/%s", l.Port, l.Protocol))
	}
	for _, w := range m.Filesystem.Writable {
		writes = append(writes, w.Path)
	}
	for _, v := range m.Mounts {
		volumes = append(volumes, v.Path)
	}
	if want := []string{fmt.Sprintf("%d/tcp", s.port)}; m.Network.Mode != manifest.NetworkHost || !slices.Equal(listens, want) {
		t.Errorf("network %s, listens on %q, want %q", m.Network.Mode, listens, want)
	}
	if !slices.Equal(writes, s.writes) || !slices.Equal(volumes, s.volumes) {
		t.Errorf("writes to %q, want %q; volumes %q, want %q", writes, s.writes, volumes, s.volumes)
	}
	for _, name := range []string{"rt_sigreturn", "exit_group", "read", "write", "accept4"} {
		if !slices.ContainsFunc(m.Syscalls.Allow, func(c manifest.Syscall) bool { return c.Name == name }) {
			t.Errorf("%s is missing", name)
		}
	}
}
