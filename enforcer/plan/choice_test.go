package plan_test

import (
	"slices"
	"strings"
	"testing"

	"github.com/least-privilege/lpm/enforcer/plan"
	"github.com/least-privilege/lpm/manifest"
)

// TestMounts: a choice can narrow what is granted, or fill a volume, and do
// nothing else.
func TestMounts(t *testing.T) {
	granted := []manifest.Mount{
		{Path: "/data", Volume: "data", Write: true},
		{Path: "/logs", Volume: "logs", Note: manifest.Note{Optional: true}},
		{Path: "/conf", Host: "/etc/server", Write: true},
		{Path: "/keys", Host: "/etc/keys"},
	}
	tests := []struct {
		name    string
		volumes []plan.Volume
		without []string
		// changed is the mount that comes out changed, err a part of what
		// is wrong.
		changed manifest.Mount
		err     string
	}{
		{name: "nothing"},
		{name: "another volume", volumes: []plan.Volume{{"other", "/data", false}}, changed: manifest.Mount{Path: "/data", Volume: "other", Write: true}},
		{name: "a folder of the host for a volume", volumes: []plan.Volume{{"/srv/data", "/data", false}}, changed: manifest.Mount{Path: "/data", Host: "/srv/data", Write: true}},
		{name: "and read-only", volumes: []plan.Volume{{"/srv/data", "/data", true}}, changed: manifest.Mount{Path: "/data", Host: "/srv/data"}},
		{name: "a volume, read-only", volumes: []plan.Volume{{"data", "/data", true}}, changed: manifest.Mount{Path: "/data", Volume: "data"}},
		{name: "a read-only volume to write to", volumes: []plan.Volume{{"logs", "/logs", false}}, err: "read-only"},
		{name: "a read-only volume's folder", volumes: []plan.Volume{{"/srv/logs", "/logs", true}}, changed: manifest.Mount{Path: "/logs", Host: "/srv/logs", Note: manifest.Note{Optional: true}}},
		{name: "the host's folder as granted", volumes: []plan.Volume{{"/etc/server", "/conf", false}}, changed: manifest.Mount{Path: "/conf", Host: "/etc/server", Write: true}},
		{name: "the host's folder, read-only", volumes: []plan.Volume{{"/etc/server", "/conf", true}}, changed: manifest.Mount{Path: "/conf", Host: "/etc/server"}},
		{name: "another folder of the host", volumes: []plan.Volume{{"/etc", "/conf", true}}, err: `"/etc/server"`},
		{name: "a volume for a folder of the host", volumes: []plan.Volume{{"data", "/conf", true}}, err: `"/etc/server"`},
		{name: "a read-only folder to write to", volumes: []plan.Volume{{"/etc/keys", "/keys", false}}, err: "read-only"},
		{name: "a path that is not granted", volumes: []plan.Volume{{"data", "/root", true}}, err: "no mount"},
		{name: "a path below one", volumes: []plan.Volume{{"data", "/data/below", true}}, err: "no mount"},
		{name: "a path twice", volumes: []plan.Volume{{"a", "/data", false}, {"b", "/data", true}}, err: "another"},
		{name: "no name of a volume", volumes: []plan.Volume{{"../x", "/data", false}}, err: "neither"},
		{name: "a folder of the kernel", volumes: []plan.Volume{{"/proc/1", "/data", false}}, err: "/proc"},
		{name: "the whole host", volumes: []plan.Volume{{"/", "/data", true}}, err: "whole host"},
		{name: "a path that is not clean", volumes: []plan.Volume{{"/srv/../proc", "/data", false}}, err: "clean"},
		{name: "an optional mount left out", without: []string{"/logs"}},
		{name: "a required mount left out", without: []string{"/data"}, err: "needs"},
		{name: "no mount left out", without: []string{"/nothing"}, err: "no mount"},
		{name: "one left out and chosen", without: []string{"/logs"}, volumes: []plan.Volume{{"logs", "/logs", true}}, err: "no mount"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			m := &manifest.Manifest{Mounts: slices.Clone(granted)}
			got, err := plan.Mounts(m, plan.Options{Volumes: test.volumes, NoMounts: test.without})
			if test.err != "" {
				if err == nil || !strings.Contains(err.Error(), test.err) {
					t.Fatalf("error %v, want one with %q", err, test.err)
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			want := slices.Clone(granted)
			for i := range want {
				if want[i].Path == test.changed.Path {
					want[i] = test.changed
				}
			}
			want = slices.DeleteFunc(want, func(m manifest.Mount) bool { return slices.Contains(test.without, m.Path) })
			if !slices.Equal(got, want) {
				t.Errorf("got %+v, want %+v", got, want)
			}
			if !slices.Equal(m.Mounts, granted) {
				t.Error("the manifest has changed")
			}
		})
	}
}

// TestRecordedMounts: while recording the choices are all there is.
func TestRecordedMounts(t *testing.T) {
	p, err := plan.New(request(func(r *plan.Request) {
		r.Mode, r.Manifest, r.Options.Identity = plan.Record, nil, manifest.IdentitySingle
		r.Options.Volumes = []plan.Volume{{Source: "trial", Path: "/data"}, {Source: "/srv/conf", Path: "/conf", ReadOnly: true}}
		r.Places.Volumes = map[string]string{"trial": "/store/volumes/trial"}
	}))
	if err != nil {
		t.Fatal(err)
	}
	text := print(p)
	for _, want := range []string{`"/store/volumes/trial"`, `"/srv/conf"`, "layer dir /data", "layer dir /conf"} {
		if !strings.Contains(text, want) {
			t.Errorf("the plan lacks %s", want)
		}
	}
	for _, v := range []plan.Volume{{Source: "trial", Path: "/proc/x"}, {Source: "trial", Path: "/"}, {Source: "no/name", Path: "/data"}, {Source: "/", Path: "/data"}} {
		_, err := plan.New(request(func(r *plan.Request) {
			r.Mode, r.Manifest, r.Options.Identity = plan.Record, nil, manifest.IdentitySingle
			r.Options.Volumes, r.Places.Volumes = []plan.Volume{v}, map[string]string{"trial": "/x"}
		}))
		if err == nil {
			t.Errorf("%+v was taken", v)
		}
	}
}

// TestChosenPlan: the plan does what was chosen, and names the manifest that
// was approved.
func TestChosenPlan(t *testing.T) {
	change := func(r *plan.Request) {
		r.Manifest.Mounts = []manifest.Mount{{Path: "/data", Volume: "data", Write: true}}
		r.Places.Volumes = map[string]string{"data": "/store/volumes/data"}
	}
	granted, err := plan.New(request(change))
	if err != nil {
		t.Fatal(err)
	}
	chosen, err := plan.New(request(func(r *plan.Request) {
		change(r)
		r.Options.Volumes = []plan.Volume{{Source: "/srv/data", Path: "/data", ReadOnly: true}}
		r.Options.Hostname = "db-1.example"
	}))
	if err != nil {
		t.Fatal(err)
	}
	if chosen.Manifest != granted.Manifest {
		t.Errorf("the plan names another manifest: %s", chosen.Manifest)
	}
	text := print(chosen)
	for _, want := range []string{
		`openat2(AT_FDCWD, "/srv/data", {flags=O_PATH|O_CLOEXEC, mode=0, resolve=RESOLVE_NO_MAGICLINKS|RESOLVE_NO_SYMLINKS}`,
		`sethostname("db-1.example", 12)`, "HOSTNAME=db-1.example",
	} {
		if !strings.Contains(text, want) {
			t.Errorf("the plan lacks %s", want)
		}
	}
	if strings.Contains(text, "/store/volumes/data") {
		t.Error("the plan still has the volume")
	}
	for _, e := range chosen.Layer.Entries {
		if e.Path == "/etc/hosts" && !strings.Contains(e.Content, "db-1.example") {
			t.Errorf("%s: %q", e.Path, e.Content)
		}
	}
}

// TestPorts: on the host's network a port can be counted on where it is granted,
// under its own number; on a private one it is published where that is granted.
func TestPorts(t *testing.T) {
	host := func(r *plan.Request) {
		r.Manifest.Network = manifest.Network{Mode: manifest.NetworkHost, Listen: []manifest.Listen{{Port: 8080, Protocol: manifest.TCP}}}
	}
	private := func(r *plan.Request) {
		r.Manifest.Network = manifest.Network{Mode: manifest.NetworkPrivate, Listen: []manifest.Listen{
			{Port: 8080, Protocol: manifest.TCP, Publish: true}, {Port: 9090, Protocol: manifest.TCP},
		}}
	}
	tests := []struct {
		name string
		port plan.Port
		base func(r *plan.Request)
		err  string
	}{
		{"its own", plan.Port{Host: 8080, Container: 8080, Protocol: manifest.TCP}, host, ""},
		{"another number on the host", plan.Port{Host: 80, Container: 8080, Protocol: manifest.TCP}, host, "number"},
		{"an address", plan.Port{Address: "127.0.0.1", Host: 8080, Container: 8080, Protocol: manifest.TCP}, host, "address"},
		{"another port", plan.Port{Host: 81, Container: 81, Protocol: manifest.TCP}, host, "81/tcp"},
		{"another protocol", plan.Port{Host: 8080, Container: 8080, Protocol: manifest.UDP}, host, "8080/udp"},
		{"without a network", plan.Port{Host: 8080, Container: 8080, Protocol: manifest.TCP}, func(*plan.Request) {}, "no network"},
		{"published", plan.Port{Host: 80, Container: 8080, Protocol: manifest.TCP}, private, ""},
		{"published at an address", plan.Port{Address: "::1", Host: 80, Container: 8080, Protocol: manifest.TCP}, private, ""},
		{"published at no address", plan.Port{Address: "here", Host: 80, Container: 8080, Protocol: manifest.TCP}, private, "--publish here:80:8080/tcp: "},
		{"for itself alone", plan.Port{Address: "::1", Host: 80, Container: 9090, Protocol: manifest.TCP}, private, "--publish [::1]:80:9090/tcp: "},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			_, err := plan.New(request(func(r *plan.Request) {
				test.base(r)
				r.Options.Ports = []plan.Port{test.port}
			}))
			if test.err == "" && err != nil || test.err != "" && (err == nil || !strings.Contains(err.Error(), test.err)) {
				t.Errorf("error %v, want %q", err, test.err)
			}
		})
	}
}

func TestHostname(t *testing.T) {
	for name, valid := range map[string]bool{
		"web": true, "web-1.example": true, "9": true, strings.Repeat("a", 64): true,
		strings.Repeat("a", 65): false, "-web": false, ".web": false, "a b": false, "a\nb": false, "wéb": false, "a_b": false,
	} {
		_, err := plan.New(request(func(r *plan.Request) { r.Options.Hostname = name }))
		if (err == nil) != valid {
			t.Errorf("%q: error %v", name, err)
		}
	}
}
