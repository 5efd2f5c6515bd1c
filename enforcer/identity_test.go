package enforcer_test

import (
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/least-privilege/lpm/enforcer/plan"
	"github.com/least-privilege/lpm/manifest"
)

// shell grants what a shell takes that starts programs, and these.
func shell(m *manifest.Manifest, programs ...string) {
	spawns(m)
	sockets(m)
	grant(m, "access", "capget", "capset", "chdir", "chmod", "chown", "dup", "dup2", "exit", "faccessat", "faccessat2",
		"fadvise64", "fchmodat", "fchown", "fchownat", "fork", "fstatfs", "getpgrp", "getresgid", "getresuid", "getsid",
		"mkdir", "mkdirat", "mremap", "open", "pipe", "poll", "readlink", "rt_sigsuspend", "rt_sigtimedwait", "setgid", "setgroups",
		"setpgid", "setresgid", "setresuid", "setuid", "stat", "statx", "sysinfo", "umask", "unlink", "utimensat")
	m.Execute = []manifest.Program{{Path: "/usr/bin/dash"}}
	for _, p := range programs {
		m.Execute = append(m.Execute, manifest.Program{Path: p})
	}
}

// switching gives a manifest a range of ids, and what it takes to change to one.
func switching(m *manifest.Manifest) {
	m.Identity.Mode = manifest.IdentityRange
	for _, c := range []string{"CAP_CHOWN", "CAP_DAC_OVERRIDE", "CAP_FOWNER", "CAP_SETGID", "CAP_SETUID"} {
		m.Capabilities = append(m.Capabilities, manifest.Capability{Name: c})
	}
}

// TestIdentity: who the program is, in the image's words and in the caller's.
func TestIdentity(t *testing.T) {
	tests := []struct {
		name string
		user string
		mode manifest.IdentityMode
		want string // what id prints
		own  bool   // whether what it writes to a host's folder is the caller's
	}{
		{"one id, of root", "", manifest.IdentitySingle, "uid=0(root) gid=0(root)", true},
		{"one id, of another user", "postgres", manifest.IdentitySingle, "uid=999(postgres) gid=999(postgres)", true},
		{"one id, of nobody in the image", "123456:654321", manifest.IdentitySingle, "uid=123456 gid=654321", true},
		{"a range, and root", "", manifest.IdentityRange, "uid=0(root) gid=0(root) groups=0(root)", true},
		{"a range, and a user with groups", "postgres", manifest.IdentityRange, "uid=999(postgres) gid=999(postgres) groups=999(postgres),998(certificates)", false},
		{"a range, and a user with a group", "postgres:certificates", manifest.IdentityRange, "uid=999(postgres) gid=998(certificates) groups=998(certificates)", false},
		{"a range, and its last id", "65535:65535", manifest.IdentityRange, "uid=65535 gid=65535 groups=65535", false},
	}
	l := newLab(t, "postgres")
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			l := *l
			l.t = t
			l.options.Entrypoint, l.options.User = []string{"/bin/sh", "-c"}, test.user
			// For whoever the container's user is on the host.
			folder := t.TempDir()
			if err := os.Chmod(folder, 0o777|os.ModeSticky); err != nil {
				t.Fatal(err)
			}
			o := l.run(static(func(m *manifest.Manifest) {
				shell(m, "/usr/bin/id")
				m.Identity.Mode = test.mode
				m.Mounts = []manifest.Mount{{Path: "/host", Host: folder, Write: true}}
			}), "id && echo mine >/host/file")
			line, _, _ := strings.Cut(o.out, "\n")
			// With one id, the groups are the caller's own, which it cannot
			// give up.
			if test.mode == manifest.IdentitySingle {
				line, _, _ = strings.Cut(line, " groups=")
			}
			if o.Code != 0 || line != test.want || len(o.Denials) > 0 {
				t.Errorf("code %d, %q, want %q; stderr %q, denials %+v", o.Code, line, test.want, o.err, o.Denials)
			}
			info, err := os.Stat(filepath.Join(folder, "file"))
			if err != nil {
				t.Fatal(err)
			}
			if uid := info.Sys().(*syscall.Stat_t).Uid; (int(uid) == os.Getuid()) != test.own {
				t.Errorf("the file belongs to %d, the caller is %d", uid, os.Getuid())
			}
		})
	}
}

// TestUnknownUser: a user that is not in the image, or not in its range of
// ids, is named, and nothing starts.
func TestUnknownUser(t *testing.T) {
	l := newLab(t, "postgres")
	l.options.Entrypoint = []string{"/bin/sh", "-c"}
	for user, want := range map[string]string{"nobody-here": "nobody-here", "postgres:nowhere": "nowhere", "65536": "65536"} {
		for _, mode := range []manifest.IdentityMode{manifest.IdentitySingle, manifest.IdentityRange} {
			if user == "65536" && mode == manifest.IdentitySingle {
				continue
			}
			l.options.User = user
			m := static(func(m *manifest.Manifest) { shell(m); m.Identity.Mode = mode })
			_, done, err := l.prepare(t.Context(), plan.Enforce, m, "true")
			done()
			var hint interface {
				error
				Hint() string
			}
			if err == nil || !strings.Contains(err.Error(), want) || !asError(err, &hint) || !strings.Contains(hint.Hint(), "--user") {
				t.Errorf("%s, %s: error %v", user, mode, err)
			}
		}
	}
}

// TestSwitchedUser: an entry script that becomes another user leaves its
// privileges behind, and that user can use the standard streams by their name,
// as programs of images do that log to /dev/stdout.
func TestSwitchedUser(t *testing.T) {
	l := newLab(t, "postgres")
	l.options.Entrypoint = []string{"/bin/sh", "-c"}
	l.stdin = "typed\n"
	o := l.run(static(func(m *manifest.Manifest) {
		shell(m, "/usr/bin/id", "/usr/bin/setpriv", "/usr/bin/cat", "/usr/bin/chown", "/usr/bin/mkdir")
		switching(m)
		m.Filesystem.Writable = []manifest.WritablePath{{Path: "/work", Size: 1 << 20}}
	}), `
mkdir /work/data && chown postgres /work/data
exec setpriv --reuid=postgres --regid=postgres --init-groups sh -c '
	id -un; id -Gn
	echo mine >/work/data/file && cat /work/data/file
	echo others >/work/file || echo kept out
	read line </dev/stdin && echo "$line" >/dev/stdout; echo said >/dev/stderr
	while read name value; do case $name in CapPrm:|CapEff:|CapAmb:) echo "$name $value";; esac; done </proc/self/status'`)
	const none = "0000000000000000"
	want := "postgres\npostgres certificates\nmine\nkept out\ntyped\n" +
		"CapPrm: " + none + "\nCapEff: " + none + "\nCapAmb: " + none + "\n"
	if o.Code != 0 || o.out != want || !strings.HasSuffix(o.err, "said\n") || len(o.Denials) > 0 {
		t.Errorf("code %d\n%s\nwant %s\nstderr %q, denials %+v", o.Code, o.out, want, o.err, o.Denials)
	}
}
