package enforcer_test

import (
	"bytes"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/least-privilege/lpm/enforcer"
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
	// plain and bare are how the program's words begin without lpm: as a
	// process of the caller, and as root of namespaces of its own with nothing
	// else to confine it. They prove what no manifest can grant. A program is
	// not run so where they are empty.
	plain, bare string
}

// catalogue is every attack.
func catalogue() []attack {
	return slices.Concat(kernelAttacks(), fileAttacks(), streamAttacks(), supervisorAttacks())
}

// TestCatalogue makes each attempt under a manifest that grants nearly every
// ordinary call, but not the thing itself, and wants it refused. Then it is
// made where it is to succeed: an attempt that never could would prove
// nothing.
func TestCatalogue(t *testing.T) {
	l := newLab(t, "attacks")
	// Root is bound by no RLIMIT_NPROC, and is told so.
	l.options.BestEffort = true
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

// refused wants the attempt to fail, and to say that it did.
func (a attack) refused(t *testing.T, l *lab) {
	o, escaped := a.run(t, l, a.base)
	t.Logf("%s", o.all())
	if escaped || strings.Contains(o.out, "SUCCEEDED") {
		t.Errorf("the attempt succeeded: %s", o.all())
		return
	}
	refused := o.Code == 1 && strings.Contains(o.out, "refused: ") ||
		a.dies != "" && o.Code == 128+int(unix.SignalNum(a.dies))
	if !refused && a.impossible(l) == "" {
		t.Errorf("the attempt was not refused: %s", o.all())
	}
}

// granted wants the attempt to succeed, or to fail where the host lacks what
// it takes: a reason that does not hold is no excuse.
func (a attack) granted(t *testing.T, l *lab) {
	o, escaped := a.run(t, l, a.base, a.grant)
	succeeded := escaped || o.Code == 0 && strings.Contains(o.out, "SUCCEEDED: ")
	why := a.impossible(l)
	switch {
	case succeeded && why != "":
		t.Errorf("the attempt succeeded, although %s: %s", why, o.all())
	case why != "":
		t.Logf("not to be granted here: %s: %s", why, strings.TrimSpace(o.out))
	case !succeeded:
		t.Errorf("granted, the attempt failed: %s", o.all())
	}
}

func (a attack) impossible(l *lab) string {
	if a.unless == nil {
		return ""
	}
	return a.unless(l)
}

// run makes the attempt once, under a manifest of its own.
func (a attack) run(t *testing.T, l *lab, changes ...func(m *manifest.Manifest)) (o outcome, escaped bool) {
	t.Helper()
	own := *l
	own.t = t
	args, after := a.prepare(t, &own)
	o, err := own.try(t.Context(), plan.Enforce, a.manifest(changes...), enforcer.Observer{}, args...)
	if err != nil {
		t.Fatalf("running %q: %v\n%s", args, err, o.all())
	}
	return o, after != nil && after(o)
}

// prepare sets the host up and returns the command.
func (a attack) prepare(t *testing.T, l *lab) (command []string, after func(o outcome) bool) {
	command = append([]string{a.program()}, a.args...)
	if a.setup == nil {
		return command, nil
	}
	more, after := a.setup(t, l)
	return append(command, more...), after
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

// ordinary grants what programs do that are up to no good and to nothing out
// of the ordinary.
func ordinary(m *manifest.Manifest) {
	grant(m, "access", "alarm", "chdir", "chmod", "clock_getres", "close_range", "creat", "dup", "dup2", "exit", "exit_group",
		"fallocate", "fchmod", "fork", "fsync", "ftruncate", "getgid", "getpgid", "getpgrp", "getpriority", "getrusage",
		"getsid", "gettimeofday", "link", "linkat", "lstat", "mkdir", "mkdirat", "mremap", "msync", "open", "pause", "pipe",
		"poll", "ppoll", "preadv", "pselect6", "pwrite64", "pwritev", "readlink", "readv", "recvmsg", "rename", "renameat2",
		"rmdir", "rt_sigpending", "rt_sigsuspend", "rt_sigtimedwait", "select", "sendfile", "sendmsg", "setitimer", "setpgid",
		"shmat", "shmctl", "shmdt", "shmget", "socketpair", "splice", "stat", "statx", "symlink", "symlinkat", "sysinfo",
		"tee", "tkill", "umask", "uname", "unlink", "utimensat", "vmsplice", "writev")
}

// all is everything that is known of an outcome.
func (o outcome) all() string {
	var b strings.Builder
	b.WriteString("exit code " + strconv.Itoa(o.Code) + "\n" + o.out + o.err)
	for _, d := range o.Denials {
		b.WriteString("denied " + string(d.Kind) + " " + d.What + ": " + d.Errno + "\n")
	}
	return b.String()
}

// bareNamespaces are all those that a container has.
const bareNamespaces = syscall.CLONE_NEWUSER | syscall.CLONE_NEWNS | syscall.CLONE_NEWPID | syscall.CLONE_NEWIPC |
	syscall.CLONE_NEWUTS | syscall.CLONE_NEWCGROUP | syscall.CLONE_NEWNET

// outside runs the same program without lpm, and wants its words to begin as
// said: with a success, or with the refusal of the kernel alone.
func (a attack) outside(t *testing.T, l *lab, want string, namespaces uintptr) {
	own := *l
	own.t = t
	tree, err := own.store.Tree(t.Context(), own.image, store.Single)
	if err != nil {
		t.Fatal(err)
	}
	defer tree.Close()
	command, _ := a.prepare(t, &own)
	cmd := exec.CommandContext(t.Context(), filepath.Join(tree.Path, command[0]), command[1:]...)
	cmd.SysProcAttr = &syscall.SysProcAttr{Cloneflags: namespaces}
	if namespaces != 0 {
		cmd.SysProcAttr.UidMappings = []syscall.SysProcIDMap{{HostID: os.Getuid(), Size: 1}}
		cmd.SysProcAttr.GidMappings = []syscall.SysProcIDMap{{HostID: os.Getgid(), Size: 1}}
	}
	var out bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &out
	err = cmd.Run()
	var exit *exec.ExitError
	if err != nil && !errors.As(err, &exit) {
		t.Fatal(err)
	}
	if strings.HasPrefix(out.String(), want) {
		return
	}
	if why := a.impossible(l); why != "" {
		t.Logf("not to be shown here: %s: %s", why, strings.TrimSpace(out.String()))
		return
	}
	t.Errorf("without lpm: %v, %q; want %q", err, out.String(), want)
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
const catalogueSize = 2
