package record

import (
	"errors"
	"fmt"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/least-privilege/lpm/analyzer/evidence"
	"github.com/least-privilege/lpm/manifest"
	"golang.org/x/net/dns/dnsmessage"
	"golang.org/x/sys/unix"
)

const here = uint64(0xffffffffffffff9c) // AT_FDCWD

// scene is one thing a container does and what the record has of it.
type scene struct {
	name string
	do   func(t *testing.T, c *container, r *Recorder)
	want []string
}

func play(t *testing.T, scenes []scene) {
	for _, s := range scenes {
		t.Run(s.name, func(t *testing.T) {
			c := newContainer()
			r := start(t, options(), c)
			s.do(t, c, r)
			record := r.Record()
			if got := summary(record); !slices.Equal(got, s.want) {
				t.Errorf("recorded\n  %s\nwant\n  %s", strings.Join(got, "\n  "), strings.Join(s.want, "\n  "))
			}
			if _, err := record.Encode(); err != nil {
				t.Errorf("the record cannot be encoded: %v", err)
			}
		})
	}
}

func TestFiles(t *testing.T) {
	open := func(name string, flags uint64) func(*testing.T, *container, *Recorder) {
		return func(t *testing.T, c *container, r *Recorder) { c.make(t, r, "openat", here, c.text(name), flags) }
	}
	play(t, []scene{
		{"a file that is only read", open("/etc/passwd", unix.O_RDONLY), nil},
		{"a file that is written", open("/etc/passwd", unix.O_WRONLY), []string{"file /etc/passwd [write]"}},
		{"a file that is truncated", open("/etc/passwd", unix.O_RDONLY|unix.O_TRUNC), []string{"file /etc/passwd [write]"}},
		{"a file that is made", open("/run/nginx.pid", unix.O_CREAT|unix.O_RDWR), []string{"file /run/nginx.pid [create]"}},
		{"a file that is there and may be made", open("/etc/passwd", unix.O_CREAT|unix.O_RDONLY), nil},
		{"a lock file that is taken", open("/etc/passwd", unix.O_CREAT|unix.O_EXCL|unix.O_WRONLY), nil},
		{"a file that is not there", open("/etc/none", unix.O_WRONLY), nil},
		{"a path alone", open("/etc/passwd", unix.O_PATH|unix.O_WRONLY), nil},
		{"a file without a name", open("/tmp", unix.O_TMPFILE|unix.O_RDWR), []string{"file /tmp [below]"}},
		{"a relative path", open("log", unix.O_CREAT|unix.O_WRONLY), []string{"file /work/log [create]"}},
		{"a device", open("/dev/null", unix.O_RDWR), []string{"device /dev/null write=true"}},
		{"a library", open("/usr/lib/libz.so.1", unix.O_RDONLY|unix.O_CLOEXEC), []string{"library /usr/lib/libz.so.1"}},
		{"open and creat", func(t *testing.T, c *container, r *Recorder) {
			c.make(t, r, "open", c.text("/etc/passwd"), unix.O_WRONLY)
			c.make(t, r, "creat", c.text("/run/new"))
		}, []string{"file /etc/passwd [write]", "file /run/new [create]"}},
		{"openat2", func(t *testing.T, c *container, r *Recorder) {
			c.make(t, r, "openat2", here, c.text("/run/new"), c.put(words(unix.O_CREAT|unix.O_WRONLY)), 24)
		}, []string{"file /run/new [create]"}},
		{"folders", func(t *testing.T, c *container, r *Recorder) {
			c.make(t, r, "mkdir", c.text("/run/new"))
			c.make(t, r, "mkdirat", here, c.text("/var/log")) // EEXIST
		}, []string{"file /run/new [mkdir]"}},
		{"removal", func(t *testing.T, c *container, r *Recorder) {
			c.make(t, r, "unlink", c.text("/etc/passwd"))
			c.make(t, r, "unlinkat", here, c.text("/etc/none"), 0) // ENOENT
		}, []string{"file /etc/passwd [remove]"}},
		{"renaming", func(t *testing.T, c *container, r *Recorder) {
			c.make(t, r, "rename", c.text("/etc/passwd"), c.text("/run/passwd"))
			c.make(t, r, "renameat2", here, c.text("/etc/none"), here, c.text("/run/none"), 0)
		}, []string{"file /etc/passwd [rename]", "file /run/passwd [rename]"}},
		{"links", func(t *testing.T, c *container, r *Recorder) {
			c.make(t, r, "symlink", c.text("/anything"), c.text("/run/soft"))
			c.make(t, r, "link", c.text("/etc/passwd"), c.text("/run/hard"))
		}, []string{"file /run/hard [create]", "file /run/soft [create]"}},
		{"metadata", func(t *testing.T, c *container, r *Recorder) {
			c.fds[5] = "/etc/passwd"
			c.make(t, r, "fchmod", 5, 0o600)
			c.make(t, r, "utimensat", 5, 0, 0, 0)
			c.make(t, r, "fchmod", 6, 0o600) // EBADF
		}, []string{"file /etc/passwd [metadata]"}},
		{"several accesses to one file", func(t *testing.T, c *container, r *Recorder) {
			c.make(t, r, "unlink", c.text("/etc/passwd"))
			c.make(t, r, "truncate", c.text("/etc/passwd"), 0)
			c.make(t, r, "chmod", c.text("/etc/passwd"), 0o600)
		}, []string{"file /etc/passwd [metadata remove write]"}},
	})
}

func TestPrograms(t *testing.T) {
	for _, test := range []struct {
		name, path, want string
	}{
		{"a program", "/usr/bin/dash", "/usr/bin/dash as= interpreter="},
		{"a program behind a link", "/usr/bin/sh", "/usr/bin/dash as=/usr/bin/sh interpreter="},
		{"a script", "/entry.sh", "/entry.sh as= interpreter=/bin/sh"},
		{"a step of a search through PATH", "/usr/local/bin/dash", ""},
		{"a folder", "/usr/bin", ""},
		{"a file that is no program", "/etc/passwd", ""},
	} {
		t.Run(test.name, func(t *testing.T) {
			c := newContainer()
			r := start(t, options(), c)
			c.make(t, r, "execve", c.text(test.path))
			got := ""
			for _, p := range r.Record().Programs {
				if p.Path != "/usr/sbin/nginx" {
					got = fmt.Sprintf("%s as=%s interpreter=%s", p.Path, p.As, p.Interpreter)
				}
			}
			if got != test.want {
				t.Errorf("recorded %q, want %q", got, test.want)
			}
		})
	}
}

func TestFirstProgram(t *testing.T) {
	for _, test := range []struct {
		name, asked, runs string
		want              evidence.Program
	}{
		{"a program", "/usr/sbin/nginx", "/usr/sbin/nginx", evidence.Program{Path: "/usr/sbin/nginx"}},
		{"a link", "/usr/bin/sh", "/usr/bin/dash", evidence.Program{Path: "/usr/bin/dash", As: "/usr/bin/sh"}},
		{"a script", "/entry.sh", "/usr/bin/dash", evidence.Program{Path: "/entry.sh", Interpreter: "/usr/bin/dash"}},
		{"a name nobody gave", "", "/usr/bin/dash", evidence.Program{Path: "/usr/bin/dash"}},
	} {
		for _, how := range []string{"by the launcher's execution", "by its own first call"} {
			t.Run(test.name+" "+how, func(t *testing.T) {
				c, o := newContainer(), options()
				o.Program = test.asked
				c.program, c.fds[9] = test.runs, test.runs
				r, err := newRecorder(o, c)
				if err != nil {
					t.Fatal(err)
				}
				if how == "by its own first call" {
					c.make(t, r, "getpid")
				} else {
					c.make(t, r, "execveat", 9)
				}
				record := r.Record()
				test.want.Seen = evidence.Seen{Count: 1}
				if len(record.Programs) != 1 || !reflect.DeepEqual(record.Programs[0], test.want) {
					t.Errorf("recorded %+v, want %+v", record.Programs, test.want)
				}
				if calls := len(record.Calls); calls != map[string]int{"by its own first call": 1}[how] {
					t.Errorf("%d calls recorded: the launcher's are none", calls)
				}
			})
		}
	}
}

func TestCalls(t *testing.T) {
	c := newContainer()
	r := start(t, options(), c)
	for range 3 {
		c.make(t, r, "socket", unix.AF_INET, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
	}
	c.tid, c.program = 2, "/usr/bin/dash"
	c.make(t, r, "socket", unix.AF_UNIX, unix.SOCK_STREAM, 0)
	c.make(t, r, "clone", unix.CLONE_VM|unix.CLONE_THREAD)
	c.make(t, r, "clone", unix.CLONE_NEWUSER|uint64(unix.SIGCHLD))
	record := r.Record()

	socket := record.Calls[0]
	if socket.Name != "socket" || socket.Architecture != "amd64" || socket.Count != 4 ||
		!slices.Equal(socket.Programs, []string{"/usr/bin/dash", "/usr/sbin/nginx"}) || socket.First <= 0 {
		t.Errorf("socket is %+v", socket)
	}
	var got []string
	for _, call := range record.Calls {
		for _, v := range call.Values {
			text := call.Name
			for _, a := range v.Args {
				text += fmt.Sprintf(" %d=%#x", a.Arg, a.Value)
			}
			got = append(got, fmt.Sprintf("%s, %d times", text, v.Count))
		}
	}
	want := []string{
		"socket 0=0x1 1=0x1, 1 times", "socket 0=0x2 1=0x1, 3 times",
		"clone 0=0x0, 1 times", "clone 0=0x10000000, 1 times",
	}
	if !slices.Equal(got, want) {
		t.Errorf("values\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
}

// TestThreads holds that what is known of a thread is forgotten when it may
// have become another program, or another thread has got its number.
func TestThreads(t *testing.T) {
	const second, other = "/usr/bin/dash", 2
	for _, test := range []struct {
		name string
		make func(c *container, r *Recorder)
		want int // looks at credentials
	}{
		{"again at once", func(c *container, r *Recorder) {}, 1},
		{"another thread", func(c *container, _ *Recorder) { c.tid = other }, 2},
		{"after an execution", func(c *container, r *Recorder) { c.make(t, r, "execve", c.text("/usr/bin/sh")) }, 3},
		{"after a change of user", func(c *container, r *Recorder) { c.make(t, r, "setuid", 33) }, 3},
		{"after a name for the thread", func(c *container, r *Recorder) { c.make(t, r, "prctl", unix.PR_SET_NAME, c.text("worker")) }, 1},
		{"after a capability given up", func(c *container, r *Recorder) { c.make(t, r, "prctl", unix.PR_CAPBSET_DROP, unix.CAP_CHOWN) }, 3},
		{"while another thread executes", func(c *container, r *Recorder) {
			c.tid = other
			c.make(t, r, "execve", c.text("/usr/bin/sh"))
			c.tid = 1
		}, 4},
		{"later", func(_ *container, r *Recorder) {
			for range fresh / time.Millisecond {
				r.now()
			}
		}, 2},
	} {
		t.Run(test.name, func(t *testing.T) {
			c := newContainer()
			r := start(t, options(), c)
			c.make(t, r, "setfsuid", 0) // from here each has its own credentials
			c.make(t, r, "access", c.text("/etc"), 0)
			c.asked--
			test.make(c, r)
			c.program = second
			c.make(t, r, "getppid")
			c.make(t, r, "access", c.text("/etc/passwd"), 0)
			if got := c.asked; got != test.want {
				t.Errorf("asked for credentials %d times, want %d", got, test.want)
			}
			want := []string{second}
			if test.name == "again at once" || test.name == "after a name for the thread" {
				want = []string{"/usr/sbin/nginx"}
			}
			for _, k := range r.Record().Calls {
				if k.Name == "getppid" && !slices.Equal(k.Programs, want) {
					t.Errorf("getppid by %s, want %s", k.Programs, want)
				}
			}
		})
	}
}

// TestOneIdentity holds that credentials are looked up once for all, until a
// process changes its own.
func TestOneIdentity(t *testing.T) {
	for _, test := range []struct {
		name string
		args []uint64
		want int
	}{
		{"getppid", nil, 1},
		{"clone", []uint64{unix.CLONE_VM | uint64(unix.SIGCHLD)}, 1},
		{"execve", []uint64{0}, 1},
		{"clone", []uint64{unix.CLONE_NEWUSER | uint64(unix.SIGCHLD)}, 3},
		{"unshare", []uint64{unix.CLONE_NEWUSER}, 3},
		{"setns", []uint64{3, 0}, 3},
		{"capset", []uint64{0, 0}, 3},
	} {
		c := newContainer()
		r := start(t, options(), c)
		for c.tid = 1; c.tid <= 2; c.tid++ {
			c.make(t, r, "access", c.text("/etc"), 0)
		}
		c.tid = 1
		c.make(t, r, test.name, test.args...)
		for c.tid = 1; c.tid <= 2; c.tid++ {
			c.make(t, r, "access", c.text("/etc"), 0)
		}
		if c.asked != test.want {
			t.Errorf("%s %v: asked for credentials %d times, want %d", test.name, test.args, c.asked, test.want)
		}
	}
}

// TestGroupsCount holds that a check which one process passes by its groups is
// made anew for another of the same user without them.
func TestGroupsCount(t *testing.T) {
	c := newContainer()
	r := start(t, options(), c)
	c.files["/srv"] = file{dir, hostRoot, hostRoot}
	c.files["/srv/shared"] = file{unix.S_IFREG | 0o640, hostRoot, hostWWW}
	c.make(t, r, "setgroups", 1, c.put([]byte{33, 0, 0, 0}))
	c.cred = as(hostWWW+1, hostWWW+1, unix.CAP_DAC_OVERRIDE)
	open := func() { c.make(t, r, "openat", 0xffffff9c, c.text("/srv/shared"), 0) }
	c.cred.groups = []uint32{hostWWW}
	open()
	before := summary(r.Record())
	c.tid, c.cred.groups = 2, nil
	open()
	after := summary(r.Record())
	if slices.Contains(before, "CAP_DAC_READ_SEARCH: reading /srv/shared") || !slices.Contains(after, "CAP_DAC_READ_SEARCH: reading /srv/shared") {
		t.Errorf("before %q, after %q", before, after)
	}
}

// TestLooksOnce holds that what an opened path leads to is looked at once, also for
// the check of who may.
func TestLooksOnce(t *testing.T) {
	c := newContainer()
	r := start(t, options(), c)
	here := uint64(0xffffff9c) // AT_FDCWD
	c.make(t, r, "openat", here, c.text("/etc/passwd"), 0)
	c.files["/etc/hosts"], c.found = c.files["/etc/passwd"], 0
	if c.make(t, r, "openat", here, c.text("/etc/hosts"), 0); c.found != 1 {
		t.Errorf("looked at %d paths, for one in a folder that is known", c.found)
	}
}

// TestRepeats holds that a use of a path is looked into once, until something
// happens to the path, and counted each time.
func TestRepeats(t *testing.T) {
	remove := func(name string) func(*testing.T, *container, *Recorder) {
		return func(t *testing.T, c *container, r *Recorder) { c.make(t, r, "unlink", c.text(name)) }
	}
	for _, test := range []struct {
		name    string
		between func(*testing.T, *container, *Recorder)
		anew    bool
	}{
		{"nothing", func(*testing.T, *container, *Recorder) {}, false},
		{"another file is removed", remove("/tmp/theirs"), false},
		{"the file is removed", remove("/etc/passwd"), true},
		{"a folder above is renamed", func(t *testing.T, c *container, r *Recorder) {
			c.make(t, r, "rename", c.text("/etc"), c.text("/old"))
		}, true},
		{"a link is removed", func(t *testing.T, c *container, r *Recorder) {
			c.files["/link"] = file{unix.S_IFLNK | 0o777, hostRoot, hostRoot}
			c.make(t, r, "unlink", c.text("/link"))
		}, true},
		{"a mode changes", func(t *testing.T, c *container, r *Recorder) {
			c.make(t, r, "chmod", c.text("/tmp/theirs"), 0o600)
		}, true},
		{"a root changes", func(t *testing.T, c *container, r *Recorder) { c.make(t, r, "chroot", c.text("/var")) }, true},
		{"a file system is mounted", func(t *testing.T, c *container, r *Recorder) {
			c.make(t, r, "mount", 0, c.text("/etc"), 0, 0, 0)
		}, true},
		{"a process with its own mounts is made", func(t *testing.T, c *container, r *Recorder) {
			c.make(t, r, "unshare", unix.CLONE_NEWNS)
		}, true},
		{"the user changes", func(t *testing.T, c *container, r *Recorder) {
			c.make(t, r, "setuid", 33)
			c.cred = as(hostWWW, hostWWW)
		}, true},
	} {
		t.Run(test.name, func(t *testing.T) {
			c := newContainer()
			r := start(t, options(), c)
			here := uint64(0xffffff9c) // AT_FDCWD
			open := func() { c.make(t, r, "openat", here, c.text("/etc/passwd"), 0) }
			open()
			test.between(t, c, r)
			before := c.found
			open()
			if anew := c.found > before; anew != test.anew {
				t.Errorf("looked into anew: %t, want %t", anew, test.anew)
			}
			reads := r.Record().Reads
			if len(reads) != 1 || reads[0].Path != "/etc/passwd" || reads[0].Count != 2 {
				t.Errorf("reads %+v", reads)
			}
		})
	}
}

// TestExecutesAgain: what a program is is found out once, until it may have become
// another; a script's interpreter each time.
func TestExecutesAgain(t *testing.T) {
	const here = uint64(0xffffff9c) // AT_FDCWD
	for _, test := range []struct {
		name, program string
		between       func(*testing.T, *container, *Recorder)
		anew          bool
	}{
		{"nothing", "/usr/bin/sh", func(*testing.T, *container, *Recorder) {}, false},
		{"a script", "/entry.sh", func(*testing.T, *container, *Recorder) {}, true},
		{"it is written", "/usr/bin/sh", func(t *testing.T, c *container, r *Recorder) {
			c.make(t, r, "openat", here, c.text("/usr/bin/dash"), unix.O_WRONLY)
			c.heads["/usr/bin/dash"] = "#!/usr/sbin/nginx\n"
		}, true},
		{"it is removed", "/usr/bin/sh", func(t *testing.T, c *container, r *Recorder) {
			c.make(t, r, "unlink", c.text("/usr/bin/dash"))
		}, true},
		{"its mode changes", "/usr/bin/sh", func(t *testing.T, c *container, r *Recorder) {
			c.make(t, r, "chmod", c.text("/usr/bin/dash"), 0o700)
		}, true},
		{"the user changes", "/usr/bin/sh", func(t *testing.T, c *container, r *Recorder) {
			c.make(t, r, "setuid", 33)
			c.cred = as(hostWWW, hostWWW)
		}, true},
	} {
		t.Run(test.name, func(t *testing.T) {
			c := newContainer()
			r := start(t, options(), c)
			execute := func() { c.make(t, r, "execve", c.text(test.program), 0, 0) }
			execute()
			test.between(t, c, r)
			before := c.found
			execute()
			if anew := c.found > before; anew != test.anew {
				t.Errorf("looked into anew: %t, want %t", anew, test.anew)
			}
			all := slices.DeleteFunc(r.Record().Programs, func(p evidence.Program) bool { return p.Path == "/usr/sbin/nginx" })
			if len(all) != 1 || all[0].Count != 2 {
				t.Errorf("programs %+v", all)
			}
		})
	}
}

// TestMoving holds that nothing is kept of a path while a call that changes it is
// on its way, and that the changes told apart are bounded.
func TestMoving(t *testing.T) {
	now := time.Now()
	var m moving
	m.begin("/a/b", now)
	for name, want := range map[string]bool{"/a/b": true, "/a/b/c": true, "/a": false, "/a/bc": false, "/": false} {
		if got := m.covers(name, now); got != want {
			t.Errorf("%s is changing: %t", name, got)
		}
	}
	if m.covers("/a/b", now.Add(settling)) {
		t.Error("a change does not end")
	}
	for range 3 * maxMoving {
		m.begin("/c", now)
	}
	if len(m) > maxMoving || !m.covers("/a", now) {
		t.Errorf("%d changes are told apart, and what is not is taken for settled", len(m))
	}
}

func TestRefusesWhatCannotBeWatched(t *testing.T) {
	c := newContainer()
	r := start(t, options(), c)
	for name, want := range map[string]unix.Errno{
		"io_uring_setup": unix.ENOSYS, "io_uring_enter": unix.ENOSYS, "clone3": unix.ENOSYS,
		"clone": 0, "ptrace": 0, "mount": 0,
	} {
		if got := c.make(t, r, name); got != want {
			t.Errorf("%s is answered with %v, want %v", name, got, want)
		}
	}
	for _, call := range r.Record().Calls {
		if want := map[bool]string{true: "ENOSYS"}[strings.HasPrefix(call.Name, "io_uring") || call.Name == "clone3"]; call.Refused != want {
			t.Errorf("%s is recorded as refused %q, want %q", call.Name, call.Refused, want)
		}
	}
}

func TestOtherArchitectures(t *testing.T) {
	c := newContainer()
	r := start(t, options(), c)
	for _, k := range []struct {
		arch   uint32
		number int
	}{
		{unix.AUDIT_ARCH_I386, 4}, {unix.AUDIT_ARCH_X86_64, 1<<30 | 512}, {unix.AUDIT_ARCH_ARM, 4},
		{0x1234, 7}, {unix.AUDIT_ARCH_X86_64, 9999},
	} {
		r.decide(k.arch, k.number, call{process: c})
	}
	var got []string
	for _, call := range r.Record().Calls {
		got = append(got, fmt.Sprintf("%s %d %q", call.Architecture, call.Number, call.Name))
	}
	want := []string{`amd64 9999 ""`, `arm 4 ""`, `audit:0x1234 7 ""`, `i386 4 ""`, `x32 512 ""`}
	if !slices.Equal(got, want) {
		t.Errorf("recorded %q, want %q", got, want)
	}
}

func TestFailures(t *testing.T) {
	write := func(t *testing.T, c *container, r *Recorder) {
		c.make(t, r, "openat", here, c.text("/run/x"), unix.O_CREAT|unix.O_WRONLY)
	}
	play(t, []scene{
		{"a bad pointer fails in the kernel too", func(t *testing.T, c *container, r *Recorder) {
			c.make(t, r, "openat", here, 0xdead, unix.O_CREAT|unix.O_WRONLY)
		}, nil},
		{"a killed process made no call", func(t *testing.T, c *container, r *Recorder) {
			c.fault, c.gone = unix.ESRCH, true
			write(t, c, r)
		}, []string{"cancelled 1"}},
		{"anything else is a loss", func(t *testing.T, c *container, r *Recorder) {
			c.fault = errors.New("no memory")
			write(t, c, r)
			r.AddLost(2)
		}, []string{"lost 3"}},
	})
}

func TestNewRefuses(t *testing.T) {
	for name, change := range map[string]func(*Options){
		"an architecture without a table": func(o *Options) { o.Architecture = "mips" },
		"an image without a digest":       func(o *Options) { o.Image.Digest = "latest" },
		"no network mode":                 func(o *Options) { o.Network = "" },
		"no identity mode":                func(o *Options) { o.Mode = manifest.IdentityMode("") },
	} {
		t.Run(name, func(t *testing.T) {
			o := options()
			change(&o)
			if _, err := New(o); err == nil {
				t.Error("no error")
			}
		})
	}
}

// TestFlood holds that a container that does as many different things as it
// can neither exhausts memory nor spoils the record.
func TestFlood(t *testing.T) {
	c := newContainer()
	r := start(t, options(), c)
	long := strings.Repeat("\x01", 3000)
	for _, end := range []string{"/", "/.", "/.."} {
		// Cut to the longest text, a path is no longer clean.
		most := "/run/" + strings.Repeat("x", evidence.MaxText-len("/run/")-len(end)) + end
		deep := c.text(most + "x/y")
		c.make(t, r, "openat", here, deep, unix.O_CREAT|unix.O_WRONLY)
		c.make(t, r, "execve", deep)
	}
	r.noteReply(answerTo(t, ".", true, dnsmessage.RCodeSuccess), occasion{})
	for i := range 3 * maxPaths {
		clear(c.memory)
		c.program = fmt.Sprintf("/p%d", i)
		c.make(t, r, "openat", here, c.text(fmt.Sprintf("/run/%d/%d", i/2, i)), unix.O_CREAT|unix.O_WRONLY)
		c.make(t, r, "openat", here, c.text(fmt.Sprintf("/run/%s%d", long, i)), unix.O_CREAT|unix.O_WRONLY)
		c.make(t, r, "ioctl", 1, uint64(i))
		r.decide(unix.AUDIT_ARCH_X86_64, i, call{process: c})
		c.make(t, r, "connect", 3, c.put([]byte(fmt.Sprintf("\x01\x00/run/%d", i))), 60)
		c.make(t, r, "setuid", uint64(i))
	}
	record := r.Record()
	data, err := record.Encode()
	if err != nil {
		t.Fatal(err)
	}
	for _, list := range []string{"files", "values", "calls", "connects", "ids", "programs"} {
		if record.Truncated[list] == 0 {
			t.Errorf("nothing was left out of %s: %d bytes, %v", list, len(data), record.Truncated)
		}
	}
	if len(record.Names) > 0 {
		t.Errorf("names %+v", record.Names)
	}
	if len(record.Files) < maxPaths/8 {
		t.Errorf("only %d files kept", len(record.Files))
	}
	if _, err := evidence.Decode(data); err != nil {
		t.Error(err)
	}
}

func TestManyFilesBecomeFolders(t *testing.T) {
	c := newContainer()
	r := start(t, options(), c)
	for i := range 2 * maxPaths {
		clear(c.memory)
		c.make(t, r, "openat", here, c.text(fmt.Sprintf("/run/%d", i)), unix.O_CREAT|unix.O_WRONLY)
	}
	record := r.Record()
	folder := record.Files[0]
	if len(record.Files) != maxPaths+1 || folder.Path != "/run" || folder.Count != maxPaths ||
		!slices.Equal(folder.Access, []evidence.Access{evidence.Below}) {
		t.Errorf("%d files, the first %+v", len(record.Files), folder)
	}
	if record.Truncated != nil {
		t.Errorf("left out %v", record.Truncated)
	}
}
