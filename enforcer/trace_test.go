package enforcer_test

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/least-privilege/lpm/enforcer/supervise"
	"github.com/least-privilege/lpm/manifest"
)

// TestTraceFiles runs each use of a file twice: refused, with a denial that
// names the path and what would grant it, and done where that is granted, with
// no denial. The kernel refuses, as it does without a trace.
func TestTraceFiles(t *testing.T) {
	shared := t.TempDir()
	if err := os.WriteFile(filepath.Join(shared, "file"), []byte("from the host\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	writable := func(p string) func(m *manifest.Manifest) {
		return func(m *manifest.Manifest) {
			m.Filesystem.Writable = append(m.Filesystem.Writable, manifest.WritablePath{Path: p})
		}
	}
	host := func(write bool) func(m *manifest.Manifest) {
		return func(m *manifest.Manifest) {
			m.Mounts = []manifest.Mount{{Path: "/dir/host", Host: shared, Write: write}}
		}
	}
	tests := []struct {
		name   string
		args   []string
		base   func(m *manifest.Manifest)
		grant  func(m *manifest.Manifest)
		stderr string
		kind   supervise.Kind
		what   string
		line   string
	}{
		{
			name: "a new file", args: []string{"write", "/tmp/../tmp/file", "text"},
			grant: writable("/tmp"), stderr: "EROFS",
			kind: supervise.KindWrite, what: "/tmp/file", line: `filesystem: writable: [{path: "/tmp"}]`,
		},
		{
			name: "a file that is there", args: []string{"write", "/script", "text"},
			stderr: "EROFS", kind: supervise.KindWrite, what: "/script",
		},
		{
			name: "a file to remove", args: []string{"remove", "/script"},
			stderr: "EROFS", kind: supervise.KindWrite, what: "/script",
		},
		{
			name: "a file of a mount that is read-only", args: []string{"write", "/dir/host/file", "text"},
			base: host(false), grant: host(true), stderr: "EROFS",
			kind: supervise.KindWrite, what: "/dir/host/file", line: `mounts: [{path: "/dir/host", host: "` + shared + `", write: true}]`,
		},
		{
			name: "a file outside of what may be read", args: []string{"cat", "/script"},
			base: func(m *manifest.Manifest) { m.Filesystem.Readable = []manifest.ReadablePath{{Path: "/tmp"}} },
			grant: func(m *manifest.Manifest) {
				m.Filesystem.Readable = append(m.Filesystem.Readable, manifest.ReadablePath{Path: "/script"})
			},
			stderr: "EACCES", kind: supervise.KindRead, what: "/script", line: `filesystem: readable: [{path: "/script"}]`,
		},
		{
			name: "a program that is hidden", args: []string{"cat", "/other"},
			grant:  func(m *manifest.Manifest) { m.Execute = append(m.Execute, manifest.Program{Path: "/other"}) },
			stderr: "ENOENT", kind: supervise.KindRead, what: "/other", line: `execute: [{path: "/other"}]`,
		},
		{
			name: "a setting of the kernel", args: []string{"write", "/proc/sys/kernel/hostname", "x"},
			stderr: "EROFS", kind: supervise.KindWrite, what: "/proc/sys/kernel/hostname",
		},
		{name: "a file that is nowhere is not a denial", args: []string{"cat", "/nothing"}, stderr: "ENOENT"},
		{
			name: "a call that is not granted stays refused", args: []string{"syscall", number(t, "mkdir"), "s:/dir/new", "0"},
			grant: func(m *manifest.Manifest) {
				grant(m, "mkdir")
				writable("/dir")(m)
			},
			stderr: "EPERM", kind: supervise.KindSyscall, what: "mkdir", line: `syscalls: allow: [{name: "mkdir"}]`,
		},
		{
			name: "a call under another condition stays refused", args: []string{"syscall", number(t, "mkdir"), "s:/dir/new", "0"},
			base: func(m *manifest.Manifest) {
				writable("/dir")(m)
				m.Syscalls.Allow = append(m.Syscalls.Allow, manifest.Syscall{Name: "mkdir", When: []manifest.Condition{{Arg: 1, OneOf: []string{"0x1ff"}}}})
			},
			grant: func(m *manifest.Manifest) {
				m.Syscalls.Allow = append(m.Syscalls.Allow, manifest.Syscall{Name: "mkdir", When: []manifest.Condition{{Arg: 1, OneOf: []string{"0"}}}})
			},
			stderr: "EPERM", kind: supervise.KindSyscall, what: "mkdir", line: `syscalls: allow: [{name: "mkdir"}]`,
		},
	}
	for _, mode := range []manifest.IdentityMode{manifest.IdentitySingle, manifest.IdentityRange} {
		l := newLab(t, "static")
		l.options.TraceFiles = true
		for _, test := range tests {
			t.Run(string(mode)+"/"+test.name, func(t *testing.T) {
				l := *l
				l.t = t
				base := func(m *manifest.Manifest) {
					m.Identity.Mode = mode
					// The host's folder is the caller's.
					if mode == manifest.IdentityRange {
						m.Capabilities = []manifest.Capability{{Name: "CAP_DAC_OVERRIDE"}}
					}
					if test.base != nil {
						test.base(m)
					}
				}
				o := l.run(static(base), test.args...)
				if o.Code != 1 || !strings.Contains(o.err, test.stderr) {
					t.Errorf("not granted: code %d, stdout %q, stderr %q; want code 1 and %s", o.Code, o.out, o.err, test.stderr)
				}
				checkTraced(t, o, test.kind, test.what, test.line, test.stderr)
				if test.grant == nil {
					return
				}
				o = l.run(static(func(m *manifest.Manifest) { base(m); test.grant(m) }), test.args...)
				if o.Code != 0 || len(o.Denials) > 0 {
					t.Errorf("granted: code %d, stderr %q, denials %+v", o.Code, o.err, o.Denials)
				}
			})
		}
	}
}

// checkTraced wants the denial, and no other.
func checkTraced(t *testing.T, o outcome, kind supervise.Kind, what, line, errno string) {
	t.Helper()
	denials := slices.Clone(o.Denials)
	if kind == "" && len(denials) == 0 {
		return
	}
	if len(denials) != 1 {
		t.Fatalf("denials %+v, want %s %s", denials, kind, what)
	}
	d := denials[0]
	if d.Kind != kind || d.What != what || d.Program != "/static" || d.Errno != errno || d.Grant.String() != line {
		t.Errorf("denial %+v, granted by %q", d, d.Grant)
	}
}
