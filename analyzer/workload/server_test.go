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
	"github.com/least-privilege/lpm/analyzer/internal/stage"
	"github.com/least-privilege/lpm/enforcer/plan"
	"github.com/least-privilege/lpm/manifest"
	"github.com/least-privilege/lpm/schema"
)

// server is an image of a real server and what exercises it.
type server struct {
	image    string
	port     int
	tools    []string
	exercise string
	programs []string // patterns, for releases differ in the version
	writes   []string // the proposal's writable folders
	volumes  []string
	// capabilities are what a server needs that changes its user, and with
	// it a range of ids.
	capabilities []string
	// restarts says that it does other things when it finds the data of an
	// earlier run.
	restarts bool
}

func servers() []server {
	return []server{
		{
			image: "redis", port: 6379, tools: []string{"redis-benchmark"}, programs: []string{"/usr/bin/redis-check-rdb"},
			exercise: `redis-benchmark -h "$LPM_HOST" -p "$LPM_PORT" -q -n 500 -c 5`,
		},
		{
			image: "nginx", port: 8080, tools: []string{"wrk", "curl"}, programs: []string{"/usr/sbin/nginx"},
			exercise: `wrk -t 1 -c 4 -d 1s "http://$LPM_HOST:$LPM_PORT/" && curl -fsS --compressed -o /dev/null "http://$LPM_HOST:$LPM_PORT/large/"`,
			writes:   []string{"/tmp", "/var/lib/nginx"},
		},
		{
			image: "python3", port: 8000, tools: []string{"curl"}, programs: []string{"/usr/bin/python3.*"},
			exercise: `set -e
url=http://$LPM_HOST:$LPM_PORT
for note in a b c; do curl -fsS -d "note $note" "$url/notes/$note"; done
curl -fsS "$url/" "$url/notes" "$url/notes/a" "$url/digest/b"
curl -fsS "$url/archive" | gzip -t
curl -fsS -X DELETE "$url/notes/c"`,
			writes: []string{"/tmp"}, volumes: []string{"/data"},
		},
		{
			image: "redis-entry", port: 6379, tools: []string{"redis-benchmark", "redis-cli"},
			exercise: `redis-benchmark -h "$LPM_HOST" -p "$LPM_PORT" -q -n 500 -c 5 && redis-cli -h "$LPM_HOST" -p "$LPM_PORT" save`,
			programs: []string{"/usr/bin/chown", "/usr/bin/find", "/usr/bin/id", "/usr/bin/redis-check-rdb", "/usr/local/bin/entry", "/usr/sbin/gosu"},
			volumes:  []string{"/data"}, capabilities: []string{"CAP_CHOWN", "CAP_SETGID", "CAP_SETUID"},
		},
		{
			image: "nginx-entry", port: 8081, tools: []string{"curl"},
			exercise: `curl -fsS "http://$LPM_HOST:$LPM_PORT/" && curl -sS -o /dev/null -d "$(seq 10000)" "http://$LPM_HOST:$LPM_PORT/upload"`,
			programs: []string{"/entry", "/entry.d/10-site.sh", "/usr/bin/sed", "/usr/sbin/nginx"},
			writes:   []string{"/etc/nginx/conf.d", "/run", "/var/cache/nginx"}, capabilities: []string{"CAP_CHOWN", "CAP_SETGID", "CAP_SETUID"},
		},
		{
			image: "postgres", port: 5432, tools: []string{"pg_isready", "psql"},
			// It accepts connections before it can serve them.
			exercise: `export PGHOST="$LPM_HOST" PGPORT="$LPM_PORT" PGUSER=postgres
until pg_isready -q; do sleep 0.1; done
psql -c 'CREATE TABLE IF NOT EXISTS t AS SELECT generate_series(1, 10000) AS n' -c 'SELECT count(*), avg(n) FROM t' -c CHECKPOINT`,
			programs: []string{
				"/usr/bin/chmod", "/usr/bin/chown", "/usr/bin/dash", "/usr/bin/find", "/usr/bin/id", "/usr/bin/locale", "/usr/bin/mkdir", "/usr/bin/setpriv",
				"/usr/lib/postgresql/*/bin/initdb", "/usr/lib/postgresql/*/bin/postgres", "/usr/local/bin/entry",
			},
			writes:  []string{"/dev/shm", "/run"},
			volumes: []string{"/var/lib/postgresql/data"}, capabilities: []string{"CAP_CHOWN", "CAP_DAC_READ_SEARCH", "CAP_FOWNER", "CAP_SETGID", "CAP_SETUID"},
			restarts: true,
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
					stage.Missing(t, "%v", err)
				}
			}
			l := newLab(t, s.image)
			o := l.watch(t, s)
			p := sameAgain(t, o)
			if s.restarts {
				records := []*evidence.Record{o.Record, l.watch(t, s).Record}
				var err error
				if p, err = analyzer.Propose(records, o.Facts); err != nil {
					t.Fatal(err)
				}
			}
			s.holds(t, p.Manifest)
			l.isEnough(t, s, p.Manifest)
			if s.restarts {
				l.isEnough(t, s, p.Manifest)
			}
		})
	}
}

// watch records a server at work.
func (l *lab) watch(t *testing.T, s server) *Outcome {
	t.Helper()
	free(t, s.port)
	j := l.job(t)
	j.Exercises = []string{s.exercise}
	if s.restarts {
		j.Options.Volumes = []plan.Volume{{Source: "trial", Path: s.volumes[0]}}
		j.Volume = func(name string) (string, error) { return l.store.VolumeDir("test", name) }
	}
	o := l.run(t, j)
	if o.Failure != nil || len(o.Warnings) > 0 {
		t.Fatalf("failure %v, warnings %q", o.Failure, o.Warnings)
	}
	if o.Record.Lost > 0 || len(o.Record.Truncated) > 0 || o.Record.Libc == "" {
		t.Errorf("lost %d, truncated %v, libc %q", o.Record.Lost, o.Record.Truncated, o.Record.Libc)
	}
	return o
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
	identity := manifest.IdentitySingle
	if len(s.capabilities) > 0 {
		identity = manifest.IdentityRange
	}
	if m.Identity.Mode != identity {
		t.Errorf("identity %+v, want %s", m.Identity, identity)
	}
	var programs, capabilities, listens, writes, volumes []string
	for _, p := range m.Execute {
		programs = append(programs, p.Path)
	}
	for _, c := range m.Capabilities {
		capabilities = append(capabilities, c.Name)
	}
	matches := func(name, pattern string) bool {
		is, err := path.Match(pattern, name)
		return is && err == nil
	}
	slices.Sort(programs)
	if !slices.EqualFunc(programs, s.programs, matches) {
		t.Errorf("executes %q, want %q", programs, s.programs)
	}
	if !slices.Equal(capabilities, s.capabilities) {
		t.Errorf("capabilities %q, want %q", capabilities, s.capabilities)
	}
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
	allowed := func(name string) bool {
		return slices.ContainsFunc(m.Syscalls.Allow, func(c manifest.Syscall) bool { return c.Name == name })
	}
	for _, name := range []string{"rt_sigreturn", "exit_group", "read", "write"} {
		if !allowed(name) {
			t.Errorf("%s is missing", name)
		}
	}
	if !allowed("accept") && !allowed("accept4") {
		t.Error("accept is missing")
	}
}
