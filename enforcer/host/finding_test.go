package host

import (
	"errors"
	"strings"
	"testing"

	"golang.org/x/sys/unix"
)

func TestInspect(t *testing.T) {
	findings, err := Inspect(t.Context(), t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	seen := map[string]bool{}
	for _, f := range findings {
		if seen[f.Name] {
			t.Errorf("%s was found twice", f.Name)
		}
		seen[f.Name] = true
		switch f.State {
		case Present:
			if f.Hint != "" {
				t.Errorf("%s is present and to be mended by %q", f.Name, f.Hint)
			}
		case Missing:
			if f.Hint == "" {
				t.Errorf("%s is missing, with no way out: %+v", f.Name, f)
			}
		case Inconclusive:
			if f.Detail == "" {
				t.Errorf("%s is inconclusive and does not say why", f.Name)
			}
		default:
			t.Errorf("%s has the state %q", f.Name, f.State)
		}
		if f.Use == "" || strings.ContainsAny(f.Use+f.Detail+f.Hint, "\n\r") {
			t.Errorf("%s is not in one line each: %+v", f.Name, f)
		}
	}
	for _, name := range []string{"kernel", "user-namespaces", "overlay", "seccomp-notification"} {
		if !seen[name] {
			t.Errorf("%s was not looked for", name)
		}
	}
}

func TestWhyNoUserNamespace(t *testing.T) {
	for _, test := range []struct {
		name  string
		files map[string]string
		err   error
		cause string
		hint  string
	}{
		{
			"Ubuntu", map[string]string{"/proc/sys/kernel/apparmor_restrict_unprivileged_userns": "1\n"},
			unix.EPERM, "AppArmor", "AppArmor profile",
		},
		{
			"AppArmor without the restriction", map[string]string{"/proc/sys/kernel/apparmor_restrict_unprivileged_userns": "0\n"},
			unix.EPERM, "refused", "",
		},
		{
			"switched off", map[string]string{"/proc/sys/user/max_user_namespaces": "0\n"},
			unix.ENOSPC, "switched off", "sysctl user.max_user_namespaces=",
		},
		{
			"Debian before 11", map[string]string{"/proc/sys/kernel/unprivileged_userns_clone": "0\n"},
			unix.EPERM, "root only", "sysctl kernel.unprivileged_userns_clone=1",
		},
		{
			"all in use", map[string]string{"/proc/sys/user/max_user_namespaces": "64\n"},
			unix.ENOSPC, "limit", "sysctl user.max_user_namespaces=",
		},
		{"not built in", nil, unix.EINVAL, "lacks user namespaces", "CONFIG_USER_NS"},
		{"another kind switched off", map[string]string{"/proc/sys/user/max_net_namespaces": "0\n"},
			unix.ENOSPC, "net namespaces are switched off", "sysctl user.max_net_namespaces="},
		{"in a container without clone3", nil, unix.ENOSYS, "clone3", "seccomp=unconfined"},
		{"no process left", nil, unix.EAGAIN, "processes", "ulimit -u"},
		{"in somebody's sandbox", nil, unix.EPERM, "sandbox", ""},
	} {
		t.Run(test.name, func(t *testing.T) {
			cause, hint := imitation(t, test.files).whyNoUserNamespace(test.err)
			if !strings.Contains(cause, test.cause) || !strings.Contains(hint, test.hint) || (hint == "") != (test.hint == "") {
				t.Errorf("got %q, %q, want %q, %q", cause, hint, test.cause, test.hint)
			}
		})
	}
}

func TestExplanationKeepsTheError(t *testing.T) {
	err := ExplainUserNamespace(unix.EPERM)
	var hinted interface{ Hint() string }
	if !errors.Is(err, unix.EPERM) || !errors.As(err, &hinted) || strings.Contains(err.Error(), "\n") {
		t.Errorf("got %v", err)
	}
}

func TestSubordinateFinding(t *testing.T) {
	for _, test := range []struct {
		name  string
		files map[string]string
		hint  string
	}{
		{"no range yet", map[string]string{"/etc/passwd": "ann:x:1000:1000::/:\n"}, "--add-subuids 100000-165535 --add-subgids 100000-165535 ann"},
		{
			"others have ranges", map[string]string{
				"/etc/passwd": "ann:x:1000:1000::/:\n",
				"/etc/subuid": "bob:100000:65536\n", "/etc/subgid": "bob:165536:65536\n",
			},
			"--add-subuids 231072-296607 --add-subgids 231072-296607 ann",
		},
	} {
		t.Run(test.name, func(t *testing.T) {
			if test.files != nil {
				test.files["/usr/bin/newuidmap"] = setuidProgram
				test.files["/usr/bin/newgidmap"] = setuidProgram
			}
			i := &inspection{machine: imitation(t, test.files)}
			if f := i.findSubordinate(t.Context(), Finding{}); f.State != Missing || !strings.Contains(f.Hint, test.hint) {
				t.Errorf("got %+v, want hint %q", f, test.hint)
			}
		})
	}
}

// TestSubordinateInconclusive gives it a folder where the file should be.
func TestSubordinateInconclusive(t *testing.T) {
	i := &inspection{machine: imitation(t, map[string]string{
		"/usr/bin/newuidmap": setuidProgram, "/usr/bin/newgidmap": setuidProgram, "/etc/subuid/file": "",
	})}
	if f := i.ask(t, "subordinate-ids"); f.State != Inconclusive || f.Detail == "" {
		t.Errorf("got %+v", f)
	}
}

func TestSettle(t *testing.T) {
	base := Finding{Name: "x", Hint: "do this"}
	if f := base.settle(true, nil); f.State != Present || f.Hint != "" {
		t.Errorf("got %+v", f)
	}
	if f := base.settle(false, nil); f.State != Missing || f.Hint != "do this" {
		t.Errorf("got %+v", f)
	}
	// An error wins over an answer.
	if f := base.settle(true, unix.EIO); f.State != Inconclusive || f.Detail == "" || f.Hint != "" {
		t.Errorf("got %+v", f)
	}
}
