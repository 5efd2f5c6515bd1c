package host

import (
	"os"
	"slices"
	"testing"

	"github.com/least-privilege/lpm/enforcer/plan"
)

func TestRanges(t *testing.T) {
	hundred := []plan.IDMap{{Host: 100000, Size: 65536}}
	for _, test := range []struct {
		name, passwd, user, subuid string
		want                       []plan.IDMap
	}{
		{"by name", "ann:x:1000:1000::/:\n", "", "bob:1:1\nann:100000:65536\n", hundred},
		{"by number", "ann:x:1000:1000::/:\n", "", "1000:100000:65536\n", hundred},
		{"without a last newline", "ann:x:1000:1000::/:", "", "ann:100000:65536", hundred},
		{"several", "ann:x:1000:1000::/:\n", "", "ann:100000:65536\nann:300000:9\n", []plan.IDMap{{Host: 100000, Size: 65536}, {Host: 300000, Size: 9}}},
		{"two names of one user", "ann:x:1000:1000::/:\nanna:x:1000:1000::/:\n", "", "anna:100000:65536\n", hundred},
		{"not in the password file", "", "ann", "ann:100000:65536\n", hundred},
		{"the environment lies", "ann:x:1000:1000::/:\n", "bob", "bob:100000:65536\n", nil},
		{"another user whose number begins alike", "ann:x:1000:1000::/:\n", "", "10001:100000:65536\n", nil},
		{"another user's group", "bob:x:1001:1000::/:\n", "", "bob:100000:65536\n", nil},
		{"none", "ann:x:1000:1000::/:\n", "", "", nil},
	} {
		t.Run(test.name, func(t *testing.T) {
			m := imitation(t, map[string]string{
				"/usr/bin/newuidmap": setuidProgram, "/usr/bin/newgidmap": setuidProgram,
				"/etc/passwd": test.passwd, "/etc/subuid": test.subuid, "/etc/subgid": test.subuid,
			})
			m.user = test.user
			uids, gids, err := m.ranges()
			if err != nil || !slices.Equal(uids, test.want) || !slices.Equal(gids, test.want) {
				t.Errorf("got %+v, %+v, %v; want %+v", uids, gids, err, test.want)
			}
		})
	}
}

func TestRangesNeedEverything(t *testing.T) {
	whole := map[string]string{
		"/usr/bin/newuidmap": setuidProgram, "/usr/bin/newgidmap": setuidProgram,
		"/etc/subuid": "1000:100000:65536\n", "/etc/subgid": "1000:100000:65536\n",
	}
	if uids, gids, err := imitation(t, whole).ranges(); err != nil || uids == nil || gids == nil {
		t.Fatalf("with everything: %v, %v, %v", uids, gids, err)
	}
	lostItsRight := func(path string) error { return os.Chmod(path, 0o755) }
	emptied := func(path string) error { return os.WriteFile(path, nil, 0o644) }
	for _, test := range []struct {
		file, what string
		spoil      func(path string) error
	}{
		{"/usr/bin/newuidmap", "missing", os.Remove},
		{"/usr/bin/newgidmap", "missing", os.Remove},
		{"/usr/bin/newuidmap", "copied without its right", lostItsRight},
		{"/usr/bin/newgidmap", "copied without its right", lostItsRight},
		{"/etc/subuid", "missing", os.Remove},
		{"/etc/subgid", "missing", os.Remove},
		{"/etc/subuid", "empty", emptied},
		{"/etc/subgid", "empty", emptied},
	} {
		t.Run(test.file+" "+test.what, func(t *testing.T) {
			m := imitation(t, whole)
			if err := test.spoil(m.file(test.file)); err != nil {
				t.Fatal(err)
			}
			if uids, gids, err := m.ranges(); err != nil || uids != nil || gids != nil {
				t.Errorf("got %v, %v, %v", uids, gids, err)
			}
		})
	}
}

func TestMapperIsTheOneTheShellWouldFind(t *testing.T) {
	m := imitation(t, map[string]string{"/bin/newuidmap": setuidProgram, "/opt/newuidmap": setuidProgram})
	for path, want := range map[string]string{
		"/opt:/bin":          "/opt/newuidmap",
		"/bin:/opt":          "/bin/newuidmap",
		"/none::relative:":   "",
		"/none:/bin":         "/bin/newuidmap",
		"":                   "",
		"/bin/newuidmap:bin": "",
	} {
		m.path = path
		if want != "" {
			want = m.file(want)
		}
		if got, err := m.mapper("newuidmap"); err != nil || got != want {
			t.Errorf("PATH=%s: got %q, %v, want %q", path, got, err, want)
		}
	}
}

func TestParseSubordinate(t *testing.T) {
	for _, test := range []struct {
		name, line string
		ok         bool
	}{
		{"usual", "ann:100000:65536", true},
		{"up to the last id", "ann:4294901759:65536", true},
		{"past the last id", "ann:4294901760:65536", false},
		{"a start past all ids", "ann:4294967296:1", false},
		{"a size that wraps around", "ann:1:18446744073709551615", false},
		{"an empty range", "ann:100000:0", false},
		{"below zero", "ann:-1:5", false},
		{"no owner", ":100000:65536", false},
		{"two fields", "ann:100000", false},
		{"four fields", "ann:1:1:1", false},
		{"words", "ann:many:some", false},
		{"a comment", "# ann:100000:65536 is", false},
		{"nothing", "", false},
	} {
		t.Run(test.name, func(t *testing.T) {
			if owner, ids, ok := parseSubordinate(test.line); ok != test.ok || ok && owner != "ann" {
				t.Errorf("got %q, %+v, %t", owner, ids, ok)
			}
		})
	}
}

// FuzzParseSubordinate holds that every range is of ids that exist.
func FuzzParseSubordinate(f *testing.F) {
	f.Add("ann:100000:65536\n")
	f.Add("ann:4294901760:65536")
	f.Fuzz(func(t *testing.T, line string) {
		owner, ids, ok := parseSubordinate(line)
		if ok && (owner == "" || ids.Size == 0 || uint64(ids.Host)+uint64(ids.Size) > 1<<32-1) {
			t.Errorf("%q gives %q %+v", line, owner, ids)
		}
	})
}
