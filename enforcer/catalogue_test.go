package enforcer_test

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/least-privilege/lpm/enforcer/container"
	"github.com/least-privilege/lpm/enforcer/plan"
	"github.com/least-privilege/lpm/manifest"
	"github.com/least-privilege/lpm/registry/store"
)

// attack is one entry of the catalogue.
type attack struct {
	name   string // the program, testdata/images/attacks/NAME.c
	source string // CVE, CDK module, paper or manual it comes from
	tries  string // one line: what it tries
	args   []string
	base   func(m *manifest.Manifest) // what the manifest grants anyway; nil adds nothing
	grant  func(m *manifest.Manifest) // under which it is shown to succeed; nil: no manifest can grant it
	unless func(l *lab) string        // why, on this host, the granted attempt cannot succeed (kernel lacks it); "" otherwise
	// setup prepares the host for one run (secrets, listeners). after looks
	// at the host for an effect; nil for none.
	setup func(t *testing.T, l *lab) (args []string, after func(o outcome) (escaped bool))
	dies  string // the signal that may end it ("SIGSYS") where that is the refusal
	// never says why what grant names is in vain, on every host.
	never string
	// plain and bare are what the program says without lpm: as a process of
	// the caller, and as root of namespaces of its own with nothing else to
	// confine it. They prove what no manifest can grant. A program is not run
	// so where they are empty.
	plain, bare string
}

// catalogue is every attack.
func catalogue() []attack {
	return slices.Concat(kernelAttacks(), fileAttacks(), streamAttacks(), networkAttacks(), supervisorAttacks(), resourceAttacks())
}

// TestCatalogue makes each attempt under a manifest that grants nearly every
// ordinary call, but not the thing itself, and wants it refused. Then it is
// made where it is to succeed: an attempt that never could would prove
// nothing.
func TestCatalogue(t *testing.T) {
	l := newLab(t, "attacks")
	for _, a := range catalogue() {
		t.Run(a.name, func(t *testing.T) {
			t.Run("refused", func(t *testing.T) { a.refused(t, l) })
			if a.grant != nil {
				t.Run("granted", func(t *testing.T) { a.granted(t, l) })
			}
			if a.plain != "" {
				t.Run("plain", func(t *testing.T) { a.outside(t, l, a.plain, 0) })
			}
			if a.bare != "" {
				t.Run("bare", func(t *testing.T) { a.outside(t, l, a.bare, bareNamespaces) })
			}
		})
	}
}

// refused wants the attempt to fail, and to say that it did. Where the host
// cannot enforce the manifest, nothing is to start at all.
func (a attack) refused(t *testing.T, l *lab) {
	o, escaped, err := a.run(t, l, false, a.base)
	var unenforceable *plan.UnenforceableError
	switch {
	case errors.As(err, &unenforceable):
		t.Logf("not started: %v", err)
	case err != nil:
		t.Errorf("%v\n%s", err, o)
	case escaped || o.succeeded():
		t.Errorf("the attempt succeeded: %s", o)
	case o.Code == 1 && strings.Contains(o.out, "refused: "):
		t.Log(o)
	case a.dies != "" && o.Code == 128+int(unix.SignalNum(a.dies)):
	default:
		a.lacking(t, l, o)
	}
}

// granted wants the attempt to succeed, or to fail where the host lacks what
// it takes: a reason that does not hold is no excuse.
func (a attack) granted(t *testing.T, l *lab) {
	o, escaped, err := a.run(t, l, true, a.base, a.grant)
	why := a.never
	if why == "" && a.unless != nil {
		why = a.unless(l)
	}
	switch {
	case err != nil:
		t.Errorf("%v\n%s", err, o)
	case (escaped || o.succeeded()) && why != "":
		t.Errorf("the attempt succeeded, although %s: %s", why, o)
	case escaped || o.succeeded() && o.Code == 0:
	case why != "":
		t.Logf("in vain: %s: %s", why, o)
	default:
		a.lacking(t, l, o)
	}
}

// lacking wants a program that cannot tell to say the same where lpm is not,
// so that it is the kernel that lacks something.
func (a attack) lacking(t *testing.T, l *lab, o outcome) {
	t.Helper()
	if _, why, ok := strings.Cut(o.out, "cannot tell: "); ok && o.Code == 2 {
		a.outside(t, l, "cannot tell: "+why, bareNamespaces)
		t.Logf("cannot tell: %s", why)
		return
	}
	t.Errorf("neither succeeded nor was refused: %s", o)
}

// succeeded reports whether an attempt says that it got through.
func (o outcome) succeeded() bool { return strings.Contains(o.out, "SUCCEEDED: ") }

// String is all that is known of an outcome.
func (o outcome) String() string {
	text := fmt.Sprintf("exit code %d\n%s%s", o.Code, o.out, o.err)
	for _, d := range o.Denials {
		text += fmt.Sprintf("denied %s %s: %s\n", d.Kind, d.What, d.Errno)
	}
	return text
}

// run makes the attempt once, under a manifest of its own.
func (a attack) run(t *testing.T, l *lab, bestEffort bool, changes ...func(m *manifest.Manifest)) (o outcome, escaped bool, err error) {
	t.Helper()
	own := *l
	own.t = t
	own.options.BestEffort = bestEffort
	own.options.WorkingDir = "/tmp"
	command, after := a.prepare(t, &own)
	o, err = own.try(t.Context(), plan.Enforce, a.manifest(changes...), container.Observer{}, command...)
	return o, err == nil && after(o), err
}

// prepare sets the host up for one run.
func (a attack) prepare(t *testing.T, l *lab) (command []string, after func(o outcome) bool) {
	t.Helper()
	command = append([]string{a.program()}, a.args...)
	if a.setup != nil {
		var more []string
		more, after = a.setup(t, l)
		command = append(command, more...)
	}
	if after == nil {
		after = func(outcome) bool { return false }
	}
	return command, after
}

func (a attack) program() string { return "/bin/" + a.name }

// manifest grants the program nearly every ordinary call, so that what is
// refused is the thing itself, and a folder to write to.
func (a attack) manifest(changes ...func(m *manifest.Manifest)) *manifest.Manifest {
	m := static(func(m *manifest.Manifest) {
		sockets(m)
		spawns(m)
		ordinary(m)
		m.Execute = []manifest.Program{{Path: a.program()}}
		m.Filesystem.Writable = []manifest.WritablePath{{Path: "/tmp", Size: 32 << 20}}
	})
	for _, change := range changes {
		if change != nil {
			change(m)
		}
	}
	return m
}

// ordinary grants what programs do that are out for nothing special.
func ordinary(m *manifest.Manifest) {
	grant(m, "access", "alarm", "chdir", "chmod", "clock_getres", "close_range", "creat", "dup", "dup2", "fallocate", "fchmod",
		"fork", "fsync", "ftruncate", "getpgid", "getpgrp", "getpriority", "getrusage", "getsid", "gettimeofday", "link",
		"linkat", "lstat", "mkdir", "mkdirat", "mremap", "msync", "open", "pause", "pipe", "poll", "ppoll", "preadv",
		"pselect6", "pwrite64", "pwritev", "readlink", "readv", "recvmsg", "rename", "renameat2", "rmdir", "rt_sigpending",
		"rt_sigsuspend", "rt_sigtimedwait", "select", "sendfile", "sendmsg", "setitimer", "setpgid", "shmat", "shmctl",
		"shmdt", "shmget", "socketpair", "splice", "stat", "statx", "symlink", "symlinkat", "sysinfo", "tee", "tkill",
		"umask", "unlink", "utimensat", "vmsplice", "writev")
}

// bareNamespaces are all those that a container has.
const bareNamespaces = syscall.CLONE_NEWUSER | syscall.CLONE_NEWNS | syscall.CLONE_NEWPID | syscall.CLONE_NEWIPC |
	syscall.CLONE_NEWUTS | syscall.CLONE_NEWCGROUP | syscall.CLONE_NEWNET

// outside runs the same program without lpm, and wants it to say what is
// wanted, or to tell of a kernel that lacks something.
func (a attack) outside(t *testing.T, l *lab, want string, namespaces uintptr) {
	t.Helper()
	own := *l
	own.t = t
	tree, err := own.store.Tree(t.Context(), own.image, store.Single)
	if err != nil {
		t.Fatal(err)
	}
	defer tree.Close()
	command, after := a.prepare(t, &own)
	cmd := exec.CommandContext(t.Context(), filepath.Join(tree.Path, command[0]), command[1:]...)
	cmd.Dir = t.TempDir()
	cmd.SysProcAttr = &syscall.SysProcAttr{Cloneflags: namespaces}
	if namespaces != 0 {
		cmd.SysProcAttr.UidMappings = []syscall.SysProcIDMap{{HostID: os.Getuid(), Size: 1}}
		cmd.SysProcAttr.GidMappings = []syscall.SysProcIDMap{{HostID: os.Getgid(), Size: 1}}
	}
	out, err := cmd.CombinedOutput()
	o := outcome{Result: container.Result{Code: cmd.ProcessState.ExitCode()}, out: string(out)}
	if after(o) {
		o.out += "SUCCEEDED: as the host shows\n"
	}
	switch {
	case strings.Contains(o.out, want):
	case o.Code == 2 && strings.HasPrefix(o.out, "cannot tell: "):
		t.Logf("not to be shown here: %s", o.out)
	case a.unless != nil && a.unless(l) != "":
		t.Logf("not to be shown here: %s: %s", a.unless(l), o)
	default:
		t.Errorf("without lpm: %v, %s; want %q", err, o, want)
	}
}

// TestCatalogueIsWhole: every program is in the catalogue, once, and every
// entry has a program and says what it is.
func TestCatalogueIsWhole(t *testing.T) {
	files, err := filepath.Glob("../testdata/images/attacks/*.c")
	if err != nil {
		t.Fatal(err)
	}
	var programs, names []string
	for _, f := range files {
		programs = append(programs, strings.TrimSuffix(filepath.Base(f), ".c"))
	}
	for _, a := range catalogue() {
		names = append(names, a.name)
		if a.source == "" || a.tries == "" {
			t.Errorf("%s: no source, or not what it tries", a.name)
		}
		if a.dies != "" && unix.SignalNum(a.dies) == 0 {
			t.Errorf("%s: no signal is called %q", a.name, a.dies)
		}
	}
	slices.Sort(programs)
	slices.Sort(names)
	if !slices.Equal(programs, names) {
		t.Errorf("programs %q\nentries  %q", programs, names)
	}
	if len(names) < catalogueSize {
		t.Errorf("%d attacks, want %d", len(names), catalogueSize)
	}
}

// catalogueSize is how many attacks there are at least.
const catalogueSize = 200
