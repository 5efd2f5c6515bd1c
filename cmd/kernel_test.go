package cmd_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/least-privilege/lpm/manifest"
)

// installation is a store with one of the test images, approved.
type installation struct {
	t     *testing.T
	env   []string
	image string
}

// install loads an image and approves that it may start these programs, with
// the calls that ordinary programs make.
func install(t *testing.T, image string, change func(m *manifest.Manifest), programs ...string) *installation {
	t.Helper()
	archive := testImage(t, image)
	dir := t.TempDir()
	i := &installation{t: t, image: image, env: append(os.Environ(),
		"XDG_DATA_HOME="+filepath.Join(dir, "data"), "XDG_CONFIG_HOME="+filepath.Join(dir, "config"), "TERM=xterm")}
	m := &manifest.Manifest{
		Version:  manifest.Version,
		Syscalls: manifest.Syscalls{Architecture: runtime.GOARCH, Kernel: "6.18"},
		Identity: manifest.Identity{Mode: manifest.IdentitySingle},
		Network:  manifest.Network{Mode: manifest.NetworkNone},
	}
	for _, name := range strings.Fields(ordinaryCalls) {
		if _, ok := manifest.LookupSyscall(runtime.GOARCH, name); ok {
			m.Syscalls.Allow = append(m.Syscalls.Allow, manifest.Syscall{Name: name})
		}
	}
	for _, p := range programs {
		m.Execute = append(m.Execute, manifest.Program{Path: p})
	}
	if change != nil {
		change(m)
	}
	content, err := json.Marshal(m)
	if err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(dir, "manifest.json")
	if err := os.WriteFile(file, content, 0o600); err != nil {
		t.Fatal(err)
	}
	i.must("load", archive)
	i.must("attach", image, file)
	i.must("key", "new")
	i.must("approve", image, "--yes", "--accept", "syscall:ioctl", "--accept", "syscall:clone")
	// What is slow the first time, and says so, is done.
	i.must("run", "--dry-run", "--best-effort", "--entrypoint", programs[0], image)
	return i
}

// testImage returns the archive of a test image.
func testImage(t *testing.T, image string) string {
	t.Helper()
	archive, err := filepath.Abs(filepath.Join(os.Getenv("LPM_TEST_IMAGES"), image+".tar"))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(archive); err != nil {
		if os.Getenv("LPM_MUST_SANDBOX") != "" {
			t.Fatalf("no test image: %v", err)
		}
		t.Skipf("no test image: %v (LPM_TEST_IMAGES names their folder; make images builds them)", err)
	}
	return archive
}

// ordinaryCalls are what shells and small programs make.
const ordinaryCalls = `access arch_prctl brk capget chdir clone close close_range copy_file_range dup dup2 dup3
	epoll_create1 epoll_ctl epoll_pwait eventfd2 execve execveat exit exit_group faccessat faccessat2 fadvise64
	fchdir fcntl fork fstat futex getcwd getdents64 getegid geteuid getgid getgroups getpgid getpgrp getpid getppid
	getrandom getresgid getresuid getrlimit getrusage getsid gettid getuid ioctl kill lseek lstat madvise mmap mprotect
	mremap munmap nanosleep newfstatat open openat pipe pipe2 poll ppoll pread64 prlimit64 pselect6 pwrite64 read
	readlink readlinkat rseq rt_sigaction rt_sigpending rt_sigprocmask rt_sigreturn rt_sigsuspend rt_sigtimedwait
	sched_getaffinity sched_yield select sendfile set_robust_list set_tid_address setpgid setsid sigaltstack splice
	stat statfs statx sysinfo tgkill time umask uname vfork wait4 waitid write writev clock_gettime clock_nanosleep`

// lpm returns the command "lpm args...".
func (i *installation) lpm(args ...string) *exec.Cmd {
	c := exec.Command("lpm")
	c.Args, c.Env = append(c.Args, args...), i.env
	return c
}

// must runs a command that has to succeed.
func (i *installation) must(args ...string) {
	i.t.Helper()
	if out, err := i.lpm(args...).CombinedOutput(); err != nil {
		i.t.Fatalf("lpm %q: %v\n%s", args, err, out)
	}
}

// run returns the command that starts the image's program of the given path.
func (i *installation) run(flags []string, program string, args ...string) *exec.Cmd {
	all := append([]string{"run", "--best-effort", "--entrypoint", program}, flags...)
	return i.lpm(append(append(all, i.image, "--"), args...)...)
}

// python returns the command that starts a Python script.
func (i *installation) python(flags []string, script string) *exec.Cmd {
	return i.run(flags, "/usr/bin/python3", "-uc", script)
}

// code is what a command ended with, that of lpm being 125.
func code(err error) int {
	var exit *exec.ExitError
	if errors.As(err, &exit) {
		if s := exit.Sys().(syscall.WaitStatus); s.Signaled() {
			return -int(s.Signal())
		}
		return exit.ExitCode()
	}
	return 0
}

// pty is a terminal of a test's own, which a command is started on.
type pty struct {
	t      *testing.T
	master *os.File
	// seen is what has appeared.
	seen  bytes.Buffer
	slave *os.File
}

func newPTY(t *testing.T) *pty {
	t.Helper()
	master, err := os.OpenFile("/dev/ptmx", os.O_RDWR|unix.O_NOCTTY|unix.O_CLOEXEC, 0)
	if err != nil {
		t.Fatal(err)
	}
	p := &pty{t: t, master: master}
	t.Cleanup(func() { master.Close() })
	p.control(func(fd int) error {
		if err := unix.IoctlSetPointerInt(fd, unix.TIOCSPTLCK, 0); err != nil {
			return err
		}
		slave, _, errno := unix.Syscall(unix.SYS_IOCTL, uintptr(fd), unix.TIOCGPTPEER, unix.O_RDWR|unix.O_NOCTTY|unix.O_CLOEXEC)
		if errno != 0 {
			return errno
		}
		p.slave = os.NewFile(slave, "terminal")
		t.Cleanup(func() { p.slave.Close() })
		return nil
	})
	return p
}

func (p *pty) control(f func(fd int) error) {
	p.t.Helper()
	conn, err := p.master.SyscallConn()
	if err != nil {
		p.t.Fatal(err)
	}
	if outer := conn.Control(func(fd uintptr) { err = f(int(fd)) }); err != nil || outer != nil {
		p.t.Fatal(err, outer)
	}
}

// start starts a command on the terminal, as the foreground job of a session.
func (p *pty) start(c *exec.Cmd) {
	p.t.Helper()
	if c.Stdin == nil {
		c.Stdin = p.slave
	}
	if c.Stdout == nil {
		c.Stdout = p.slave
	}
	c.Stderr = p.slave
	c.SysProcAttr = &syscall.SysProcAttr{Setsid: true, Setctty: true}
	if err := c.Start(); err != nil {
		p.t.Fatal(err)
	}
	p.t.Cleanup(func() { c.Process.Kill() })
}

func (p *pty) resize(rows, columns uint16) {
	p.t.Helper()
	p.control(func(fd int) error {
		return unix.IoctlSetWinsize(fd, unix.TIOCSWINSZ, &unix.Winsize{Row: rows, Col: columns})
	})
}

func (p *pty) typed(text string) {
	p.t.Helper()
	if _, err := p.master.WriteString(text); err != nil {
		p.t.Fatal(err)
	}
}

// expect waits until a text has appeared after what was expected before.
func (p *pty) expect(text string) {
	p.t.Helper()
	deadline := time.Now().Add(time.Minute)
	b := make([]byte, 4096)
	for {
		if i := bytes.Index(p.seen.Bytes(), []byte(text)); i >= 0 {
			p.seen.Next(i + len(text))
			return
		}
		if err := p.master.SetReadDeadline(deadline); err != nil {
			p.t.Fatal(err)
		}
		n, err := p.master.Read(b)
		p.seen.Write(b[:n])
		if err != nil {
			p.t.Fatalf("%q did not appear, but %q: %v", text, p.seen.String(), err)
		}
	}
}

// raw reports whether the terminal hands on what is typed as it is.
func (p *pty) raw() bool {
	p.t.Helper()
	var state *unix.Termios
	p.control(func(fd int) (err error) { state, err = unix.IoctlGetTermios(fd, unix.TCGETS); return err })
	return state.Lflag&unix.ICANON == 0
}

// eventually waits for a condition.
func eventually(t *testing.T, what string, is func() bool) {
	t.Helper()
	for range 6000 {
		if is() {
			return
		}
		time.Sleep(10 * time.Millisecond)
	}
	t.Fatalf("%s has not come about", what)
}
