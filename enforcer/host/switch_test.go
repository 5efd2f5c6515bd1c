package host

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// TestSwitches: a setting that is off is missing only where it binds this
// account and program.
func TestSwitches(t *testing.T) {
	const (
		limit    = "/proc/sys/user/max_user_namespaces"
		clone    = "/proc/sys/kernel/unprivileged_userns_clone"
		apparmor = "/proc/sys/kernel/apparmor_restrict_unprivileged_userns"
	)
	for _, test := range []struct {
		name, finding, path, content string
		user                         State
		want                         State
		text                         string
	}{
		{"not there", "unprivileged-userns-clone", clone, "", Present, Present, "has no kernel.unprivileged_userns_clone"},
		{"on", "unprivileged-userns-clone", clone, "1\n", Present, Present, "is 1"},
		{"off", "unprivileged-userns-clone", clone, "0\n", Missing, Missing, "sysctl kernel.unprivileged_userns_clone=1"},
		{"off, and root", "unprivileged-userns-clone", clone, "0\n", Present, Present, "does not bind"},
		{"off, and nobody knows", "unprivileged-userns-clone", clone, "0\n", Inconclusive, Inconclusive, "cannot be told"},
		{"no namespaces", "max-user-namespaces", limit, "0\n", Missing, Missing, "sysctl user.max_user_namespaces=65536"},
		{"few namespaces", "max-user-namespaces", limit, "7\n", Missing, Present, "is 7"},
		{"Ubuntu", "apparmor-userns", apparmor, "1\n", Missing, Missing, "apparmor_parser -r /etc/apparmor.d/lpm"},
		{"Ubuntu, with a profile", "apparmor-userns", apparmor, "1\n", Present, Present, "does not bind"},
		{"AppArmor without the restriction", "apparmor-userns", apparmor, "0\n", Missing, Present, "is 0"},
		{"no AppArmor", "apparmor-userns", apparmor, "", Missing, Present, "has no kernel.apparmor"},
	} {
		t.Run(test.finding+" "+test.name, func(t *testing.T) {
			files := map[string]string{}
			if test.content != "" {
				files[test.path] = test.content
			}
			i := &inspection{machine: imitation(t, files), found: map[string]State{"user-namespaces": test.user}}
			i.executable = "/usr/local/bin/lpm"
			f := i.ask(t, test.finding)
			if f.State != test.want || !strings.Contains(f.Detail+f.Hint, test.text) || (f.Hint != "") != (test.want == Missing) {
				t.Errorf("got %+v, want %s with %q", f, test.want, test.text)
			}
		})
	}
	t.Run("a folder in its place", func(t *testing.T) {
		i := &inspection{machine: imitation(t, map[string]string{clone + "/file": ""}), found: map[string]State{}}
		if f := i.ask(t, "unprivileged-userns-clone"); f.State != Inconclusive || f.Detail == "" {
			t.Errorf("got %+v", f)
		}
	})
}

// ask asks one question, whatever it needs.
func (i *inspection) ask(t *testing.T, name string) Finding {
	t.Helper()
	for _, p := range i.probes() {
		if p.Name == name {
			return p.ask(t.Context(), p.Finding)
		}
	}
	t.Fatalf("no probe %q", name)
	return Finding{}
}

// TestAppArmorProfile: the profile is for this very program, and a path that
// is more than that to AppArmor or to the shell is not written into one.
func TestAppArmorProfile(t *testing.T) {
	for path, in := range map[string]bool{
		"/usr/local/bin/lpm": true, "/home/ann/go-1.26/bin/lpm": true,
		"": false, "/home/ann/my tools/lpm": false, "/opt/*/lpm": false, "/opt/{a,b}/lpm": false,
		"/opt/$(reboot)/lpm": false, "/opt/'/lpm": false, "/opt/ü/lpm": false, `/opt/\n/lpm`: false,
	} {
		m := imitation(t, nil)
		m.executable = path
		hint := m.apparmorProfile()
		profile := strings.Contains(hint, "profile lpm "+path+" flags=(unconfined) {") && strings.Contains(hint, "userns,")
		if profile != in || !strings.Contains(hint, "sysctl kernel.apparmor_restrict_unprivileged_userns=0") || strings.Contains(hint, "\n") {
			t.Errorf("%q: %s", path, hint)
		}
	}
}

// TestWhyNoAccess: Yama is what keeps ordinary users from their own children.
func TestWhyNoAccess(t *testing.T) {
	for scope, want := range map[string]string{
		"0\n": "seccomp=unconfined", "1\n": "seccomp=unconfined", "2\n": "sudo sysctl kernel.yama.ptrace_scope=1", "3\n": "boot anew", "": "seccomp=unconfined",
	} {
		files := map[string]string{}
		if scope != "" {
			files["/proc/sys/kernel/yama/ptrace_scope"] = scope
		}
		if hint, err := imitation(t, files).whyNoAccess(os.ErrPermission); err != nil || !strings.Contains(hint, want) {
			t.Errorf("%q: got %q, %v, want %q", scope, hint, err, want)
		}
	}
	if hint, err := imitation(t, map[string]string{"/proc/sys/kernel/yama/ptrace_scope/file": ""}).whyNoAccess(os.ErrPermission); err == nil {
		t.Errorf("a folder in its place: got %q", hint)
	}
}

// TestMappers: newuidmap and newgidmap are there with their right, or missing,
// or cannot be looked at.
func TestMappers(t *testing.T) {
	both := map[string]string{"/usr/bin/newuidmap": setuidProgram, "/usr/bin/newgidmap": setuidProgram}
	for _, test := range []struct {
		name  string
		spoil func(path string) error
		want  State
		text  string
	}{
		{"there", func(string) error { return nil }, Present, ""},
		{"not installed", os.Remove, Missing, "apt-get install uidmap"},
		{"without its right", func(path string) error { return os.Chmod(path, 0o755) }, Missing, "apt-get install uidmap"},
		{"a link to itself", func(path string) error {
			if err := os.Remove(path); err != nil {
				return err
			}
			return os.Symlink(filepath.Base(path), path)
		}, Inconclusive, "symbolic links"},
	} {
		for tool := range both {
			t.Run(filepath.Base(tool)+" "+test.name, func(t *testing.T) {
				i := &inspection{machine: imitation(t, both)}
				// The machine of a test is below a folder of its own.
				if err := test.spoil(i.file(tool)); err != nil {
					t.Fatal(err)
				}
				f := i.ask(t, "newuidmap")
				if f.State != test.want || !strings.Contains(f.Detail+f.Hint, test.text) {
					t.Errorf("got %+v, want %s with %q", f, test.want, test.text)
				}
			})
		}
	}
}
