package host

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"
)

func TestInspect(t *testing.T) {
	findings, err := Inspect(t.Context())
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

// forbiddenVariable makes the test program forbid user namespaces below its
// own and print the finding.
const forbiddenVariable = "LPM_TEST_FORBIDDEN"

// TestMain also plays that program.
func TestMain(m *testing.M) {
	if os.Getenv(forbiddenVariable) == "" {
		os.Exit(m.Run())
	}
	here, err := here()
	if err == nil {
		err = os.WriteFile("/proc/sys/user/max_user_namespaces", []byte("0"), 0)
	}
	fmt.Printf("%v %+v", err, here.findUserNamespaces(context.Background()))
}

func TestUserNamespacePresent(t *testing.T) {
	m, err := here()
	if err != nil {
		t.Fatal(err)
	}
	if f := m.findUserNamespaces(t.Context()); f.State != Present {
		t.Errorf("lpm cannot work here: %+v", f)
	}
}

func TestUserNamespaceMissing(t *testing.T) {
	child := exec.Command("/proc/self/exe")
	child.Env = append(os.Environ(), forbiddenVariable+"=1")
	child.SysProcAttr = &syscall.SysProcAttr{
		Cloneflags:  syscall.CLONE_NEWUSER,
		UidMappings: []syscall.SysProcIDMap{{ContainerID: 0, HostID: os.Getuid(), Size: 1}},
		GidMappings: []syscall.SysProcIDMap{{ContainerID: 0, HostID: os.Getgid(), Size: 1}},
	}
	out, err := child.CombinedOutput()
	if err != nil {
		t.Fatal(err)
	}
	if got := string(out); !strings.HasPrefix(got, "<nil> ") || !strings.Contains(got, "State:missing") ||
		!strings.Contains(got, "switched off") {
		t.Errorf("got %s", got)
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
		{"not built in", nil, unix.EINVAL, "kernel has no user namespaces", "CONFIG_USER_NS"},
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
		{"no programs", nil, "apt-get install uidmap"},
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
			m := imitation(t, test.files)
			if f := m.findSubordinate(t.Context()); f.State != Missing || !strings.Contains(f.Hint, test.hint) {
				t.Errorf("got %+v, want hint %q", f, test.hint)
			}
		})
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
