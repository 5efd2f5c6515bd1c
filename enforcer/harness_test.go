package enforcer_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/least-privilege/lpm/enforcer"
	"github.com/least-privilege/lpm/enforcer/container"
	"github.com/least-privilege/lpm/enforcer/plan"
	"github.com/least-privilege/lpm/enforcer/signals"
	"github.com/least-privilege/lpm/enforcer/userns"
	"github.com/least-privilege/lpm/manifest"
	"github.com/least-privilege/lpm/registry/store"
	"github.com/least-privilege/lpm/registry/unpack"
)

const workUnpack = "unpack"

// patience is how long a test container may run; one that hangs is a failure.
// An emulated processor takes its time.
const patience = 5 * time.Minute

func TestMain(m *testing.M) {
	works := enforcer.Works()
	works[workUnpack] = func(ctx context.Context, in json.RawMessage) (any, error) {
		var job unpack.Job
		if err := json.Unmarshal(in, &job); err != nil {
			return nil, err
		}
		return nil, unpack.Run(ctx, job)
	}
	userns.Main(works)
	if err := joinSession(); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	os.Exit(m.Run())
}

// joinSession gives the tests a session keyring of their own, as a login
// does (pam_keyinit(8)), for an attack to look into. A keyring is a thread's: executing the
// program anew makes it that of the whole process.
func joinSession() error {
	const done = "LPM_TEST_SESSION"
	if os.Getenv(done) != "" {
		return nil
	}
	runtime.LockOSThread()
	// No name, which is not the empty one: that is invalid.
	if _, err := unix.KeyctlInt(unix.KEYCTL_JOIN_SESSION_KEYRING, 0, 0, 0, 0); err != nil {
		return fmt.Errorf("joining a session keyring: %w", err)
	}
	if _, err := unix.KeyctlInt(unix.KEYCTL_LINK, unix.KEY_SPEC_USER_KEYRING, unix.KEY_SPEC_SESSION_KEYRING, 0, 0); err != nil {
		return fmt.Errorf("linking the user's keyring to the session's: %w", err)
	}
	return syscall.Exec("/proc/self/exe", os.Args, append(os.Environ(), done+"=1"))
}

// lab holds a store with the static test image, for one test.
type lab struct {
	t     *testing.T
	store *store.Store
	image store.Image
	// extra changes the job before it is prepared.
	options plan.Options
	// user replaces the image's user, where not empty.
	user string
	// stdin is what a file has that is the container's input. in and errs
	// take the place of its input and error output.
	stdin    string
	in, errs *os.File
}

func newLab(t *testing.T, image string) *lab {
	t.Helper()
	folder := os.Getenv("LPM_TEST_IMAGES")
	file := filepath.Join(folder, image+".tar")
	if _, err := os.Stat(file); folder == "" || err != nil {
		if os.Getenv("LPM_MUST_SANDBOX") != "" {
			t.Fatalf("no test image %s in LPM_TEST_IMAGES=%q", image, folder)
		}
		t.Skipf("no test image %s in LPM_TEST_IMAGES=%q: make test builds them", image, folder)
	}
	dir := t.TempDir()
	s, err := store.Open(filepath.Join(dir, "store"), store.Options{RangeUnpack: unpackInRange})
	if err != nil {
		t.Fatal(err)
	}
	images, err := s.Load(t.Context(), file)
	if err != nil {
		t.Fatal(err)
	}
	// What belongs to a range of owners can only be removed as their root.
	t.Cleanup(func() {
		h, err := enforcer.Probe(context.Background())
		if err != nil {
			t.Error(err)
		}
		job := unpack.Job{Kind: unpack.Remove, Dest: filepath.Join(s.Dir(), "volumes")}
		if err := enforcer.InRange(context.Background(), h, workUnpack, job, nil); err != nil {
			t.Error(err)
		}
		if err := s.Remove(context.Background(), images[0].Name); err != nil {
			t.Error(err)
		}
		if _, err := s.Prune(context.Background()); err != nil {
			t.Error(err)
		}
	})
	return &lab{t: t, store: s, image: images[0]}
}

func unpackInRange(ctx context.Context, job unpack.Job) error {
	h, err := enforcer.Probe(ctx)
	if err != nil {
		return err
	}
	return enforcer.InRange(ctx, h, workUnpack, job, nil)
}

// outcome is what came of one run.
type outcome struct {
	container.Result
	out, err string
}

// run starts the image's program with the arguments under the manifest.
func (l *lab) run(m *manifest.Manifest, args ...string) outcome {
	l.t.Helper()
	o, err := l.try(l.t.Context(), plan.Enforce, m, container.Observer{}, args...)
	if err != nil {
		l.t.Fatalf("running %q: %v\n%s", args, err, o.err)
	}
	return o
}

func (l *lab) prepare(ctx context.Context, mode plan.Mode, m *manifest.Manifest, args ...string) (*enforcer.Prepared, func(), error) {
	l.t.Helper()
	config, err := l.store.Config(l.image)
	if err != nil {
		l.t.Fatal(err)
	}
	if l.user != "" {
		config.Config.User = l.user
	}
	options := l.options
	options.Args = args
	kind := store.Single
	if m != nil && m.Identity.Mode == manifest.IdentityRange || m == nil && options.Identity == manifest.IdentityRange {
		kind = store.Range
	}
	tree, err := l.store.Tree(ctx, l.image, kind)
	if err != nil {
		l.t.Fatal(err)
	}
	p, err := enforcer.Prepare(ctx, enforcer.Job{
		Mode: mode, Digest: l.image.Digest.String(), Tree: tree.Path, Manifest: m, Options: options,
		Config: enforcer.Config(config.Config),
		Folders: enforcer.Folders{
			Store: l.store.Dir(), Prepared: l.store.PreparedDir,
			Volume: func(name string) (string, error) { return l.store.VolumeDir("test", name) },
		},
	})
	return p, func() { tree.Close() }, err
}

func (l *lab) try(ctx context.Context, mode plan.Mode, m *manifest.Manifest, obs container.Observer, args ...string) (o outcome, err error) {
	l.t.Helper()
	p, done, err := l.prepare(ctx, mode, m, args...)
	defer done()
	if err != nil {
		return o, err
	}
	in, out, errs := l.file("in"), l.file("out"), l.file("err")
	if _, err := io.WriteString(in, l.stdin); err != nil {
		l.t.Fatal(err)
	}
	in.Seek(0, io.SeekStart)
	streams := container.Streams{In: in, Out: out, Err: errs}
	if l.in != nil {
		streams.In = l.in
	}
	if l.errs != nil {
		streams.Err = l.errs
	}
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	o.Result, err = p.Run(ctx, streams, nil, obs)
	o.out, o.err = content(l.t, out), content(l.t, errs)
	if errors.Is(err, context.DeadlineExceeded) {
		l.t.Fatalf("%q did not end:\n%s%s", args, o.out, o.err)
	}
	return o, err
}

func (l *lab) file(name string) *os.File {
	f, err := os.CreateTemp(l.t.TempDir(), name)
	if err != nil {
		l.t.Fatal(err)
	}
	l.t.Cleanup(func() { f.Close() })
	return f
}

func content(t *testing.T, f *os.File) string {
	b, err := os.ReadFile(f.Name())
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

// static grants what the static test image's program needs to print a line,
// and what the change adds.
func static(change func(m *manifest.Manifest)) *manifest.Manifest {
	m := &manifest.Manifest{
		Version:  manifest.Version,
		Syscalls: manifest.Syscalls{Architecture: runtime.GOARCH, Kernel: "6.18"},
		Identity: manifest.Identity{Mode: manifest.IdentitySingle},
		Execute:  []manifest.Program{{Path: "/static"}},
		Network:  manifest.Network{Mode: manifest.NetworkNone},
	}
	grant(m,
		"arch_prctl", "brk", "clone", "close", "epoll_create1", "epoll_ctl", "epoll_pwait", "eventfd2",
		"execve", "fcntl", "fstat", "futex", "getdents64", "getpid", "getppid", "getrandom", "gettid",
		"getuid", "getgid", "geteuid", "getegid", "lseek", "madvise", "mincore", "mmap", "mprotect",
		"munmap", "nanosleep", "newfstatat", "openat", "pipe2", "prctl", "pread64", "prlimit64", "read",
		"readlinkat", "rt_sigaction", "rt_sigprocmask", "sched_getaffinity", "sched_yield", "set_robust_list",
		"set_tid_address", "sigaltstack", "tgkill", "uname", "wait4", "waitid", "write", "clock_gettime", "clock_nanosleep",
		"pidfd_open", "pidfd_send_signal", "unlinkat", "dup3", "kill", "rseq", "timer_create", "timer_settime", "timer_delete",
		"getcwd", "getgroups", "getrlimit", "statfs", "fchmodat", "ioctl")
	if change != nil {
		change(m)
	}
	return m
}

// grant adds calls, as far as the architecture has them.
func grant(m *manifest.Manifest, names ...string) {
	for _, n := range names {
		named := func(s manifest.Syscall) bool { return s.Name == n && len(s.When) == 0 }
		if _, ok := manifest.LookupSyscall(m.Syscalls.Architecture, n); ok && !slices.ContainsFunc(m.Syscalls.Allow, named) {
			m.Syscalls.Allow = append(m.Syscalls.Allow, manifest.Syscall{Name: n})
		}
	}
}

// landlock is the version of the machine's Landlock.
func (l *lab) landlock() int {
	l.t.Helper()
	h, err := enforcer.Probe(l.t.Context())
	if err != nil {
		l.t.Fatal(err)
	}
	return h.LandlockABI
}

// unenforced wants the plan to say that the host cannot enforce the manifest.
func (l *lab) unenforced(m *manifest.Manifest) {
	l.t.Helper()
	l.options.BestEffort = false
	_, done, err := l.prepare(l.t.Context(), plan.Enforce, m, "-c", "pass")
	done()
	var refused *plan.UnenforceableError
	if !errors.As(err, &refused) {
		l.t.Errorf("the plan says nothing of what an old Landlock leaves open: %v", err)
	}
}

func asError[T error](err error, target *T) bool { return errors.As(err, target) }

// newQueue returns a queue of signals for a container.
func newQueue(t *testing.T) *signals.Queue {
	t.Helper()
	queue, err := signals.New()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { queue.Close() })
	return queue
}
