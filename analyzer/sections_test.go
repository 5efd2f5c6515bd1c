package analyzer

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/least-privilege/lpm/analyzer/evidence"
	"github.com/least-privilege/lpm/manifest"
)

func TestIdentityAndCapabilities(t *testing.T) {
	switched := func(r *evidence.Record) { r.IDs = []evidence.ID{{Kind: "uid", ID: 33, Seen: once}} }
	for _, test := range []struct {
		name   string
		record *evidence.Record
		want   []string
	}{
		{"one user", record(), nil},
		{"another user", record(switched, capabilities("CAP_SETUID")), []string{"capability:CAP_SETUID", "identity:range"}},
		{"groups set", record(capabilities("CAP_SETGID")), []string{"capability:CAP_SETGID", "identity:range"}},
		{"others' files with one user left", record(capabilities("CAP_FOWNER", "CAP_KILL", "CAP_NET_BIND_SERVICE")),
			[]string{"capability:CAP_NET_BIND_SERVICE"}},
		{"others' files", record(switched, capabilities("CAP_FOWNER", "CAP_KILL")),
			[]string{"capability:CAP_FOWNER", "capability:CAP_KILL", "identity:range"}},
		{"reading is part of overriding", record(switched, capabilities("CAP_DAC_READ_SEARCH", "CAP_DAC_OVERRIDE")),
			[]string{"capability:CAP_DAC_OVERRIDE", "identity:range"}},
		{"reading alone", record(switched, capabilities("CAP_DAC_READ_SEARCH")),
			[]string{"capability:CAP_DAC_READ_SEARCH", "identity:range"}},
	} {
		t.Run(test.name, func(t *testing.T) {
			if got := ids(propose(t, ImageFacts{}, test.record), "capability", "identity"); !slices.Equal(got, test.want) {
				t.Errorf("proposed %q, want %q", got, test.want)
			}
		})
	}
	p := propose(t, ImageFacts{}, record(switched, func(r *evidence.Record) { r.Identity.Mode = manifest.IdentitySingle }))
	if !warned(p, "one id only") {
		t.Errorf("no warning that the switch failed: %q", p.Warnings)
	}
}

func TestOutlives(t *testing.T) {
	removed := func(r *evidence.Record) { r.Files[0].Access = append(r.Files[0].Access, evidence.Remove) }
	for _, test := range []struct {
		name   string
		facts  ImageFacts
		record *evidence.Record
		want   bool
	}{
		{"a database", ImageFacts{}, record(files(evidence.Create, "/var/lib/app/table")), true},
		{"a volume", ImageFacts{Volumes: []string{"/var/lib/app"}}, record(files(evidence.Create, "/var/lib/app/table")), false},
		{"a file that came and went", ImageFacts{}, record(files(evidence.Create, "/var/lib/nginx/body/1"), removed), false},
		{"a mode that changed", ImageFacts{}, record(files(evidence.Metadata, "/var/lib/app/table")), false},
		{"a log", ImageFacts{}, record(files(evidence.Create, "/var/log/app.log")), false},
	} {
		t.Run(test.name, func(t *testing.T) {
			if p := propose(t, test.facts, test.record); warned(p, "looks like data") != test.want {
				t.Errorf("warnings %q", p.Warnings)
			}
		})
	}
}

func TestWritable(t *testing.T) {
	var twelve []string
	for i := range 12 {
		twelve = append(twelve, fmt.Sprintf("/var/cache/app/%d/x", i))
	}
	for _, test := range []struct {
		name   string
		facts  ImageFacts
		record *evidence.Record
		want   []string
	}{
		{"a log's folder", ImageFacts{}, record(files(evidence.Write, "/var/log/nginx/access.log")), []string{"write:/var/log/nginx"}},
		{"what is not kept", ImageFacts{}, record(files(evidence.Create, "/tmp/a/b", "/run/x.pid", "/var/tmp/y", "/dev/shm/z")),
			[]string{"write:/dev/shm", "write:/run", "write:/tmp", "write:/var/tmp"}},
		{"a folder within another", ImageFacts{}, record(files(evidence.Create, "/data/a", "/data/b/c", "/database/d")),
			[]string{"write:/data", "write:/database"}},
		{"a new top folder", ImageFacts{}, record(files(evidence.MakeDir, "/data")), []string{"write:/data"}},
		{"many folders of one", ImageFacts{}, record(files(evidence.Create, twelve...)), []string{"write:/var/cache/app"}},
		{"too many files to list", ImageFacts{}, record(files(evidence.Below, "/srv/spool")), []string{"write:/srv/spool"}},
		{"a volume", ImageFacts{Volumes: []string{"/data/", "/Var/Lib"}}, record(files(evidence.Create, "/data/dump.rdb")),
			[]string{"mount:/Var/Lib", "mount:/data"}},
		{"a name that does not show", ImageFacts{}, record(files(evidence.Create, "/srv/a/\x1b[2J/\u202e/x")), []string{"write:/srv/a"}},
		{"the kernel's files", ImageFacts{}, record(files(evidence.Write, "/proc/self/oom_score_adj", "/dev/pts/0")), nil},
	} {
		t.Run(test.name, func(t *testing.T) {
			if got := ids(propose(t, test.facts, test.record), "write", "mount"); !slices.Equal(got, test.want) {
				t.Errorf("proposed %q, want %q", got, test.want)
			}
		})
	}
	for _, test := range []struct{ name, path, warning string }{
		{"the root", "/file", "root folder"},
		{"programs", "/usr/lib/python3/x", "folders of programs"},
		{"bytecode", "/srv/app/__pycache__/x.pyc", "Python"},
		{"settings", "/proc/sys/kernel/x", "settings"},
	} {
		t.Run(test.name, func(t *testing.T) {
			p := propose(t, ImageFacts{}, record(files(evidence.Create, test.path)))
			if got := ids(p, "write"); got != nil || !warned(p, test.warning) {
				t.Errorf("proposed %q, warned %q", got, p.Warnings)
			}
		})
	}
}

// TestWritableIsBounded: whatever is written to, what is proposed is a manifest.
func TestWritableIsBounded(t *testing.T) {
	const many = 4000
	for _, test := range []struct {
		format string
		want   int
	}{
		{"/var/%d/x", 1}, {"/srv/%d/y/x", 1}, {"/%d/x", maxWritable},
	} {
		var names []string
		for i := range many {
			names = append(names, fmt.Sprintf(test.format, i))
		}
		p := propose(t, ImageFacts{}, record(files(evidence.Create, names...)))
		if got := len(ids(p, "write")); got != test.want || warned(p, "more written to than a manifest can name") != (test.want > 1) {
			t.Errorf("%s: %d are proposed, want %d; warnings %q", test.format, got, test.want, p.Warnings)
		}
	}
}

func TestDevices(t *testing.T) {
	p := propose(t, ImageFacts{}, record(func(r *evidence.Record) {
		for _, name := range []string{"/dev/null", "/dev/dri/card0", "/dev/pts/ptmx", "/dev/pts/0", "/srv/node"} {
			r.Devices = append(r.Devices, evidence.Device{Path: name, Seen: once})
		}
	}))
	if got, want := ids(p, "device"), []string{"device:/dev/dri/card0", "device:/dev/ptmx"}; !slices.Equal(got, want) {
		t.Errorf("proposed %q, want %q", got, want)
	}
	if !warned(p, "/srv/node") {
		t.Errorf("warnings %q", p.Warnings)
	}
}

func TestVolumeNames(t *testing.T) {
	p := propose(t, ImageFacts{Volumes: []string{"/data", "/DATA", "/var/lib/my data", "/", "/proc/x", "/" + strings.Repeat("long", 50)}}, record())
	var names []string
	for _, m := range p.Manifest.Mounts {
		names = append(names, m.Volume)
	}
	want := []string{"data", "data-2", strings.Repeat("long", 15), "var-lib-my-data"}
	if !slices.Equal(names, want) {
		t.Errorf("names %q, want %q", names, want)
	}
	if !warned(p, "volume at /,") || !warned(p, "volume at /proc/x,") {
		t.Errorf("warnings %q", p.Warnings)
	}
}

func TestExecute(t *testing.T) {
	p := propose(t, ImageFacts{}, record(func(r *evidence.Record) {
		r.Programs = []evidence.Program{
			{Path: "/entry.sh", Interpreter: "/usr/bin/dash", Seen: seen(1, 0)},
			{Path: "/usr/bin/mawk", As: "/usr/bin/awk", Seen: once},
			{Path: "/usr/bin/mawk", Seen: once},
			{Path: "/memfd:x", Seen: once},
			{Path: "/tmp/\x1b[31m", Seen: once},
		}
	}))
	if got, want := ids(p, "execute"), []string{"execute:/entry.sh", "execute:/usr/bin/mawk"}; !slices.Equal(got, want) {
		t.Errorf("proposed %q, want %q", got, want)
	}
	if why := p.Why["execute:/usr/bin/mawk"]; why.Count != 2 || !strings.Contains(why.Text, "as /usr/bin/awk") {
		t.Errorf("explained by %+v", why)
	}
	if !warned(p, "/memfd:x") || !warned(p, "/tmp/?[31m") {
		t.Errorf("warnings %q", p.Warnings)
	}
}

func TestNetwork(t *testing.T) {
	bind := func(port uint16, protocol string, listening bool) func(*evidence.Record) {
		return func(r *evidence.Record) {
			r.Binds = append(r.Binds, evidence.Bind{Family: "inet", Address: "0.0.0.0", Port: port, Protocol: protocol, Listening: listening, Seen: once})
		}
	}
	connect := func(protocol string, ports ...uint16) func(*evidence.Record) {
		return func(r *evidence.Record) {
			for _, p := range ports {
				r.Connects = append(r.Connects, evidence.Connect{Family: "inet", Address: "192.0.2.1", Port: p, Protocol: protocol, Seen: once})
			}
		}
	}
	series := func(from, n, step int) (ports []uint16) {
		for i := range n {
			ports = append(ports, uint16(from+i*step))
		}
		return ports
	}
	own := func(r *evidence.Record) { r.Network = manifest.NetworkNone }
	for _, test := range []struct {
		name    string
		record  *evidence.Record
		want    []string
		warning string
	}{
		{"no network", record(), nil, ""},
		{"local sockets only", record(func(r *evidence.Record) {
			r.Connects = []evidence.Connect{{Family: "unix", Address: "/run/x", Seen: once}}
		}), nil, ""},
		{"a network of its own", record(bind(6379, "tcp", true), own), nil, ""},
		{"a server", record(bind(6379, "tcp", true), bind(53, "udp", false)),
			[]string{"listen:tcp/6379", "listen:udp/53", "network:host"}, "host's network"},
		{"a low port", record(bind(80, "tcp", true)), []string{"listen:tcp/80", "network:host"}, "below 1024"},
		{"any port", record(bind(0, "tcp", true)), nil, "kernel's choice"},
		{"a client", record(connect("tcp", 443), connect("udp", 53, 0)),
			[]string{"egress:tcp/443", "egress:udp/53", "network:host"}, ""},
		{"many ports", record(connect("tcp", series(8000, 20, 1)...), connect("tcp", 443)),
			[]string{"egress:tcp/443,8000-8019", "network:host"}, ""},
		{"ports that were handed out", record(connect("tcp", series(40000, 10, 7)...)),
			[]string{"egress:tcp/32768-60999", "network:host"}, "high tcp ports"},
		{"a server that makes UDP sockets", record(bind(80, "tcp", true), calls("socket(2,1)", "socket(10,2)")),
			[]string{"egress:udp/53", "listen:tcp/80", "network:host"}, ""},
		{"a server that sends to a UDP port", record(connect("udp", 123), calls("socket(2,2)")),
			[]string{"egress:udp/123", "network:host"}, ""},
		{"UDP sockets alone", record(calls("socket(2,2)")), nil, ""},
		{"ping", record(connect("raw", 1)), nil, "neither TCP nor UDP"},
	} {
		t.Run(test.name, func(t *testing.T) {
			p := propose(t, ImageFacts{}, test.record)
			if got := ids(p, "network", "listen", "egress"); !slices.Equal(got, test.want) {
				t.Errorf("proposed %q, want %q", got, test.want)
			}
			if !warned(p, test.warning) {
				t.Errorf("warnings %q, want one of %q", p.Warnings, test.warning)
			}
		})
	}
}

func TestResources(t *testing.T) {
	peaks := func(memory, written, pids int64) func(*evidence.Record) {
		return func(r *evidence.Record) { r.Peaks = evidence.Peaks{Memory: memory, Written: written, PIDs: pids} }
	}
	limit := func(n uint64) func(*evidence.Record) {
		return func(r *evidence.Record) { r.Limits = []evidence.Limit{{Resource: "nofile", Value: n, Seen: once}} }
	}
	for _, test := range []struct {
		name   string
		record *evidence.Record
		want   manifest.Resources
	}{
		{"nothing measured", record(), manifest.Resources{}},
		{"a small program", record(peaks(1<<20, 0, 1)), manifest.Resources{Memory: 32 << 20, PIDs: 10}},
		{"a larger one", record(peaks(100<<20, 1, 20)), manifest.Resources{Memory: 208 << 20, PIDs: 48}},
		{"a limit of its own", record(limit(10032)), manifest.Resources{OpenFiles: 10032}},
		{"no limit", record(limit(^uint64(0))), manifest.Resources{}},
	} {
		t.Run(test.name, func(t *testing.T) {
			if got := propose(t, ImageFacts{}, test.record).Manifest.Resources; got != test.want {
				t.Errorf("proposed %+v, want %+v", got, test.want)
			}
		})
	}
}

// TestSignals holds that signals explain the calls that sent them, and kill where a
// record does not say.
func TestSignals(t *testing.T) {
	p := propose(t, ImageFacts{}, record(calls("kill", "pidfd_send_signal", "tkill"), func(r *evidence.Record) {
		r.Signals = []evidence.Signal{
			{Number: 15, To: evidence.OtherGroup, Seen: once},
			{Number: 9, To: evidence.Everyone, Call: "kill", Seen: once},
			{Number: 10, To: evidence.OwnGroup, Call: "tkill", Seen: once},
			{Number: 1, To: evidence.OtherGroup, Call: "pidfd_send_signal", Seen: once},
		}
	}))
	for id, want := range map[string]string{
		"syscall:kill": ": SIGKILL to all processes and SIGTERM to another process group", "syscall:tkill": "used by",
		"syscall:pidfd_send_signal": ": SIGHUP to another process group",
	} {
		if text := p.Why[id].Text; !strings.Contains(text, want) || strings.Contains(text, ":") != strings.Contains(want, ":") {
			t.Errorf("%s: %q, want %q", id, text, want)
		}
	}
}

func TestTruncatedRecordsAreSaid(t *testing.T) {
	p := propose(t, ImageFacts{}, record(func(r *evidence.Record) { r.Truncated = map[string]uint64{"files": 7} }))
	if !warned(p, "7 facts did not fit") {
		t.Errorf("warnings %q", p.Warnings)
	}
}
