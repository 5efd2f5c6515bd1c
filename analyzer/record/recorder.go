// Package record notes what a container does.
//
// A [Recorder] is the policy of a supervisor: every call that the filter of a
// recording hands over is noted and let go. What it notes are raw facts, held
// within the bounds of package evidence however hostile the container is;
// conclusions are drawn elsewhere.
//
// Reading the memory of a process that can change it is sound here for one
// reason only: nothing is granted by what is read.
package record

import (
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/least-privilege/lpm/analyzer/evidence"
	"github.com/least-privilege/lpm/enforcer/plan"
	"github.com/least-privilege/lpm/enforcer/supervise"
	"github.com/least-privilege/lpm/manifest"
	"golang.org/x/sys/unix"
)

// Options is what a recorder cannot see for itself.
type Options struct {
	Image evidence.Image
	// Architecture is the native one, "amd64" or "arm64".
	Architecture string
	// Kernel is the running release.
	Kernel string
	// Libc and LPM are as in evidence.Record.
	Libc, LPM string
	Workload  evidence.Workload
	// Program is the path of the program that the image starts with, as a
	// person would name it: of a script the script, not its interpreter.
	// Empty takes what the first execution shows.
	Program string
	Network manifest.NetworkMode
	Mode    manifest.IdentityMode
	// Identity is who the program is, and the maps by which the ids that
	// the supervisor sees become the container's.
	Identity plan.Identity
	// Now is the clock; nil is time.Now.
	Now func() time.Time
}

// Recorder implements supervise.Policy.
type Recorder struct {
	options Options
	world   world
	now     func() time.Time

	mu      sync.Mutex
	started time.Time // zero before the first call
	entered bool      // the first call of the container's program has come
	facts   facts
	peaks   evidence.Peaks
	checks  checks
	common  common
	threads threads
	uses    uses
	folders openFolders
	moving  moving
	// found is what the present call's path leads to; its Path is empty where
	// nothing was found yet.
	found  supervise.Place
	askers map[string]bool // programs that ask for names
	starts starts
	// probes are the processes of health checks.
	probes map[int]bool
	// observing is not nil where another recorder tells this one what it has
	// seen.
	observing *observing
}

var _ supervise.Policy = (*Recorder)(nil)

// New returns a recorder that has seen nothing.
func New(o Options) (*Recorder, error) {
	return newRecorder(o, &procfs{})
}

func newRecorder(o Options, w world) (*Recorder, error) {
	if manifest.SyscallTable(o.Architecture) == nil {
		return nil, fmt.Errorf("recording: no table of system calls for architecture %q", o.Architecture)
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	r := &Recorder{options: o, world: w, now: o.Now, facts: newFacts(), checks: checks{}, threads: newThreads(), uses: newUses(), askers: map[string]bool{}, probes: map[int]bool{}}
	// A record that could not be encoded at the end is refused now.
	if err := r.Record().Validate(); err != nil {
		return nil, fmt.Errorf("recording: %w", err)
	}
	return r, nil
}

// Decide notes the call and lets it go, with two exceptions. io_uring would
// do input and output past the recorder, and clone3's flags are behind a
// pointer that no filter can follow: both are answered as by a kernel that
// does not have them, so that the program shows what it does without.
func (r *Recorder) Decide(c *supervise.Call) supervise.Verdict {
	return r.decide(c.Arch, c.Number, call{tid: c.TID, args: c.Args, process: c})
}

// process is what of a *supervise.Call reads the calling process.
type process interface {
	Program() string
	PID() int
	Bytes(addr uint64, n int) ([]byte, error)
	String(addr uint64, max int) (string, error)
	Path(dirfd int32, addr uint64) (string, error)
	FD(fd int32) (string, error)
	Executable(dirfd int32, addr uint64) (string, error)
	Absolute(dirfd int32, text string) (string, error)
	Find(name string, follow bool) (supervise.Place, error)
	TakeFD(fd int32) (int, error)
	LetGo(fd int)
	Alive() bool
	UseRoot(root int)
}

// call is a system call as the functions that note it see it.
type call struct {
	process
	name string
	tid  int
	args [6]uint64
	by   string // the calling program
	now  time.Time
	// check says that the caller is of the image's health check.
	check bool
}

func (r *Recorder) decide(auditArch uint32, number int, c call) supervise.Verdict {
	arch := architecture(auditArch, &number)
	info, known := manifest.SyscallInfo{}, false
	if arch == r.options.Architecture {
		info, known = manifest.SyscallByNumber(arch, number)
	}
	c.name = info.Name
	executes := c.name == "execve" || c.name == "execveat"

	r.mu.Lock()
	defer r.mu.Unlock()
	if r.started.IsZero() {
		r.started = r.now()
		// An execution that comes before anything else is the launcher's,
		// of the container's first program.
		r.noteFirstProgram(c, executes)
		if executes {
			return supervise.Verdict{}
		}
	}

	c.now = r.now()
	if r.entered = r.entered || r.enter(c); r.common.view {
		c.UseRoot(int(r.common.root.Fd()))
	}
	r.common.settle(c)
	r.threads.settle(c)
	c.by = r.program(c)
	refused := refusal(c.name)
	note := r.facts.call(callKey{arch, number}, info.Name, r.at(c))
	if refused != 0 {
		note.Refused = unix.ErrnoName(refused)
		return supervise.Verdict{Errno: refused}
	}
	if !known {
		return supervise.Verdict{}
	}
	r.found = supervise.Place{}
	r.noteValues(note, c)
	if isStart(c.name) {
		r.noteStart()
	}
	if err := r.noteEffects(c); err != nil {
		r.noteFailure(c, err)
	}
	return supervise.Verdict{}
}

// noteValues notes the arguments that say what the call is for.
func (r *Recorder) noteValues(note *evidence.Call, c call) {
	specs := manifest.RecordedArgs(c.name)
	if len(specs) == 0 {
		return
	}
	args := make([]evidence.Arg, len(specs))
	for i, s := range specs {
		args[i] = evidence.Arg{Arg: s.Arg, Value: c.args[s.Arg] & s.Mask}
	}
	r.facts.callValues(note, args, r.at(c))
}

// noteEffects notes what the call does beside being made.
func (r *Recorder) noteEffects(c call) error {
	switch c.name {
	case "execve":
		return r.noteExecution(c, unix.AT_FDCWD, c.args[0])
	case "execveat":
		return r.noteExecution(c, int32(c.args[0]), c.args[1])
	case "open", "openat", "openat2", "creat":
		return r.noteOpening(c)
	case "connect", "bind", "listen", "sendto", "sendmsg", "sendmmsg", "socket":
		return r.noteSocket(c)
	case "recvfrom", "recvmsg", "recvmmsg":
		return r.noteAnswer(c)
	case "setrlimit", "prlimit64":
		return r.noteLimit(c)
	}
	if err := r.noteIdentity(c); err != nil {
		return err
	}
	return r.notePaths(c)
}

// refusal returns the error that a call is answered with, or 0.
func refusal(name string) unix.Errno {
	switch name {
	case "clone3", "io_uring_setup", "io_uring_enter", "io_uring_register":
		return unix.ENOSYS
	}
	return 0
}

// noteFailure decides what it means that a call's arguments could not be
// read.
func (r *Recorder) noteFailure(c call, err error) {
	switch {
	case errors.Is(err, unix.EFAULT), errors.Is(err, unix.EBADF),
		errors.Is(err, unix.ENOENT), errors.Is(err, unix.ENOTDIR),
		errors.Is(err, unix.ELOOP), errors.Is(err, unix.ENAMETOOLONG),
		errors.Is(err, unix.ENOTSOCK):
		// The kernel will find the same and refuse the call.
	case !c.Alive():
		// Killed while it waited: the call is never made.
		r.facts.cancelled++
	default:
		r.facts.lost++
	}
}

// at returns the occasion of a call.
func (r *Recorder) at(c call) occasion {
	if r.observing != nil {
		return r.observing.moment
	}
	return occasion{ms: c.now.Sub(r.started).Milliseconds(), program: c.by, check: c.check}
}

// AddLost adds events that took effect but never reached the recorder. The
// supervisor's count of processes that were gone is not of that kind: their
// calls were never made, and the recorder counts them as cancelled.
func (r *Recorder) AddLost(n uint64) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.facts.lost += n
}

// Record returns what was seen up to now. It may be called while the
// container runs, and again later.
func (r *Recorder) Record() *evidence.Record {
	r.mu.Lock()
	defer r.mu.Unlock()
	o := r.options
	record := &evidence.Record{
		Version: evidence.Version,
		Image:   o.Image, Architecture: o.Architecture, Kernel: o.Kernel,
		Libc: o.Libc, LPM: o.LPM, Workload: o.Workload, Recorder: r.name(),
		Network: o.Network,
		Identity: evidence.Identity{
			Mode: o.Mode, UID: o.Identity.UID, GID: o.Identity.GID, Groups: o.Identity.Groups,
		},
		Peaks: r.peaks,
	}
	if !r.started.IsZero() {
		record.Started = r.started.UTC()
		record.Duration = max(0, r.now().Sub(r.started).Milliseconds())
	}
	r.facts.fill(record)
	return record
}

// name is what watches, in a record's words.
func (r *Recorder) name() string {
	if r.observing != nil {
		return "ebpf"
	}
	return "seccomp"
}

// architecture names an AUDIT_ARCH_* value. x32 shares amd64's and sets a bit
// in the number, which is taken out.
func architecture(audit uint32, number *int) string {
	const x32 = 1 << 30 // __X32_SYSCALL_BIT
	switch audit {
	case unix.AUDIT_ARCH_X86_64:
		if *number >= 0 && *number&x32 != 0 {
			*number &^= x32
			return "x32"
		}
		return "amd64"
	case unix.AUDIT_ARCH_AARCH64:
		return "arm64"
	case unix.AUDIT_ARCH_I386:
		return "i386"
	case unix.AUDIT_ARCH_ARM:
		return "arm"
	}
	return fmt.Sprintf("audit:%#x", audit)
}
