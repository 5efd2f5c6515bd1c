package record

import (
	"cmp"
	"errors"
	"fmt"
	"net/netip"
	"os"
	"path"
	"time"

	"github.com/least-privilege/lpm/analyzer/evidence"
	"github.com/least-privilege/lpm/enforcer/supervise"
	"github.com/least-privilege/lpm/manifest"
	"golang.org/x/sys/unix"
)

// PathArg is where among a call's arguments a path is.
type PathArg struct {
	// Dir is the argument with the descriptor of the folder that the path
	// starts from, or -1 for the working folder.
	Dir int
	// Path is the argument with the path's address.
	Path int
}

// ChangedPaths returns where the paths are that a call takes to change
// something, in the order in which the kernel looks at them. The open and
// execve families are none of these calls.
func ChangedPaths(name string) []PathArg {
	// Each argument is a number that tells which one it is.
	const mark = 1 << 16
	var args [6]uint64
	for i := range args {
		args[i] = uint64(mark + i)
	}
	uses := usesOf(name, args)
	var changed bool
	list := make([]PathArg, len(uses))
	for i, u := range uses {
		changed = changed || u.access != ""
		list[i] = PathArg{Dir: -1, Path: int(u.addr) - mark}
		if u.dirfd >= mark {
			list[i].Dir = int(u.dirfd) - mark
		}
	}
	if !changed {
		return nil
	}
	return list
}

// Observed is a call that a recorder has seen which does not stop it, with
// what that has found out. The call has been made and had an effect.
type Observed struct {
	Name string
	Args [6]uint64
	// By is the path of the program that made it, Check whether that was run
	// by the image's health check.
	By    string
	Check bool
	// At is how long after the start it was made first, Count how often.
	At    time.Duration
	Count uint64

	// Paths are what the addresses among the arguments name, Descriptors
	// what the descriptors are, Memory what else is at an address.
	Paths       map[uint64]ObservedPath
	Descriptors map[int32]string
	Memory      map[uint64][]byte
	// Mode is the type and the permissions of the file that was opened, and
	// Created says that it was not there before.
	Mode    uint32
	Created bool
	// Socket is what the socket is that the call is about.
	Socket Socket
	// UIDs and GIDs are the caller's real, effective, saved and file system
	// ids, as the recorder sees them, Effective its capabilities by bit.
	UIDs, GIDs [4]uint32
	Groups     []uint32
	Effective  uint64

	missing map[string]bool // paths that were not there before the call
}

// ObservedPath is an absolute path in the container, without symbolic links in
// its folders.
type ObservedPath struct {
	// Name is it as it was given, Target with the links of the last element
	// followed.
	Name, Target string
}

// Socket is what a socket is.
type Socket struct {
	// Type and Protocol are those of socket(2).
	Type, Protocol int
	// Local is the address that it is bound to.
	Local netip.AddrPort
}

// NewObserving returns a recorder that another one feeds, by the methods named
// after Observe. Of capabilities it takes what it is told and infers nothing.
func NewObserving(o Options) (*Recorder, error) {
	w := &observing{}
	r, err := newRecorder(o, w)
	if err != nil {
		return nil, err
	}
	r.observing = w
	return r, nil
}

// Begin says when the watching began: all times count from there.
func (r *Recorder) Begin(start time.Time) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.started = start
}

// observing is the world of what is observed one call after the other.
type observing struct {
	call   *Observed
	moment occasion
}

// Doer is who did something: a program by its path, and whether it was run by the
// image's health check.
type Doer struct {
	Program string
	Check   bool
}

// Observe notes what a call does beside being made. That it was made is for
// [Recorder.ObserveCall].
func (r *Recorder) Observe(o *Observed) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.moment(Doer{o.By, o.Check}, o.At, o.Count)
	r.observing.see(o)
	c := call{process: o, name: o.Name, args: o.Args, by: o.By}
	if err := r.noteEffects(c); err != nil {
		r.noteFailure(c, err)
	}
}

// ObserveCall notes that a call was made, with the values of its recorded
// arguments.
func (r *Recorder) ObserveCall(arch string, number int, args []evidence.Arg, by Doer, at time.Duration, count uint64) {
	r.mu.Lock()
	defer r.mu.Unlock()
	o := r.moment(by, at, count)
	name := ""
	if arch == r.options.Architecture {
		info, _ := manifest.SyscallByNumber(arch, number)
		name = info.Name
	}
	note := r.facts.call(callKey{arch, number}, name, o)
	if len(args) > 0 {
		r.facts.callValues(note, args, o)
	}
}

// ObserveProgram notes that a program was executed, by another one or, where
// that is empty, as the container's first.
func (r *Recorder) ObserveProgram(p evidence.Program, by Doer, at time.Duration, count uint64) {
	r.mu.Lock()
	defer r.mu.Unlock()
	p.Path, p.As, p.Interpreter = text(p.Path), text(p.As), text(p.Interpreter)
	r.noteProgram(p, r.moment(by, at, count))
}

// ObserveFirst notes the program that the container starts with; running is
// the file that is executed, and script tells whether that interprets it.
func (r *Recorder) ObserveFirst(running string, script bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	name := r.options.Program
	if name == "" {
		name = running
	}
	if !path.IsAbs(name) {
		return
	}
	p := evidence.Program{Path: text(path.Clean(name))}
	if path.IsAbs(running) && running != name {
		if script {
			p.Interpreter = text(running)
		} else {
			p.Path, p.As = text(running), p.Path
		}
	}
	r.noteProgram(p, r.moment(Doer{}, 0, 1))
}

// ObserveLibrary notes a shared object that a process has mapped.
func (r *Recorder) ObserveLibrary(name string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.facts.library(name)
}

// ObserveCapability notes a check that the kernel has passed for a capability.
func (r *Recorder) ObserveCapability(name, example string, by Doer, at time.Duration, count uint64) {
	r.mu.Lock()
	defer r.mu.Unlock()
	n := entry(&r.facts, r.facts.capabilities, "capabilities", maxOthers, name,
		evidence.Capability{Name: name, Example: text(example)}, example)
	r.facts.see(&n.Seen, r.moment(by, at, count))
}

// ObserveSignal notes a signal that a process has sent to others by a call.
func (r *Recorder) ObserveSignal(call string, number uint64, to evidence.Target, by Doer, at time.Duration, count uint64) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if number > maxSignal {
		return
	}
	r.noteSent(call, int(number), to, r.moment(by, at, count))
}

// ObserveProcesses notes that there were so many processes and threads at a time.
func (r *Recorder) ObserveProcesses(n int64) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.peaks.PIDs = max(r.peaks.PIDs, n)
}

// ObserveAnswer notes what a message says that came from a name server's port.
func (r *Recorder) ObserveAnswer(message []byte, by Doer, at time.Duration, count uint64) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if name, addresses, err := parseAnswer(message); err == nil && len(addresses) > 0 {
		r.noteName(name, addresses, r.moment(by, at, count))
	}
}

// Took reports whether a process has switched to an id that was not its own.
func (r *Recorder) Took(kind string, id uint32) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.facts.ids[idKey{kind, id}] != nil
}

// Refuse is Decide for the recorder that watches otherwise: of the calls that
// reach it, those that cannot be watched are noted and refused, and the others
// go on.
func (r *Recorder) Refuse(c *supervise.Call) supervise.Verdict {
	number := c.Number
	arch := architecture(c.Arch, &number)
	if arch != r.options.Architecture {
		return supervise.Verdict{}
	}
	info, _ := manifest.SyscallByNumber(arch, number)
	refused := refusal(info.Name)
	if refused == 0 {
		return supervise.Verdict{}
	}
	program := c.Program()
	r.mu.Lock()
	defer r.mu.Unlock()
	note := r.facts.call(callKey{arch, number}, info.Name, r.moment(Doer{Program: program}, r.now().Sub(r.started), 1))
	note.Refused = unix.ErrnoName(refused)
	return supervise.Verdict{Errno: refused}
}

// moment says when and how often what is noted next happened.
func (r *Recorder) moment(by Doer, at time.Duration, count uint64) occasion {
	r.observing.moment = occasion{ms: at.Milliseconds(), program: by.Program, count: count, check: by.Check}
	return r.observing.moment
}

// see prepares the world for a call. What a call has made was not there.
func (w *observing) see(o *Observed) {
	w.call, o.missing = o, map[string]bool{}
	for _, u := range usesOf(o.Name, o.Args) {
		if u.needs == absent {
			o.missing[o.Paths[u.addr].Name] = true
		}
	}
	if o.Name == "bind" {
		o.missing[o.Paths[o.Args[1]+2].Name] = true
	}
}

func (w *observing) enter(int) (*os.File, error) { return nil, unix.ENOENT }

func (w *observing) leave() {}

func (w *observing) credentials(int) (credentials, error) {
	o := w.call
	return credentials{uids: o.UIDs, gids: o.GIDs, groups: o.Groups, effective: o.Effective}, nil
}

// Of interpreters and of signals an observing recorder is told otherwise.
func (w *observing) head(int, string, int) ([]byte, error) { return nil, unix.ENOENT }

func (w *observing) signalled(int, int) ([]credentials, error) { return nil, nil }

// The methods of process.

// Program returns the path of the program that made the call.
func (o *Observed) Program() string { return o.By }

// PID is not known of a call that has been made.
func (o *Observed) PID() int { return 0 }

// UseRoot has nothing to look up.
func (o *Observed) UseRoot(int) {}

// Alive is always true: what could not be read is lost.
func (o *Observed) Alive() bool { return true }

// TakeFD fails: the descriptor may be another one by now.
func (o *Observed) TakeFD(int32) (int, error) { return -1, unix.EBADF }

// LetGo has nothing to close.
func (o *Observed) LetGo(int) {}

// FD returns what a descriptor was.
func (o *Observed) FD(fd int32) (string, error) {
	name, ok := o.Descriptors[fd]
	if !ok {
		return "", fmt.Errorf("descriptor %d was not looked at", fd)
	}
	return name, nil
}

// Path returns what an address names.
func (o *Observed) Path(_ int32, addr uint64) (string, error) {
	p, ok := o.Paths[addr]
	if !ok {
		return "", errors.New("a path was not looked at")
	}
	return p.Name, nil
}

// Executable returns what an address names, with all links followed.
func (o *Observed) Executable(_ int32, addr uint64) (string, error) {
	p, ok := o.Paths[addr]
	if !ok {
		return "", errors.New("a path was not looked at")
	}
	return p.Target, nil
}

// Absolute returns a path that was resolved already.
func (o *Observed) Absolute(_ int32, text string) (string, error) { return text, nil }

// Find returns what an absolute path led to.
func (o *Observed) Find(name string, follow bool) (supervise.Place, error) {
	p := supervise.Place{Path: name}
	for _, known := range o.Paths {
		if follow && known.Name == name {
			p.Path = known.Target
		}
	}
	if o.Created || o.missing[name] {
		p.Err = unix.ENOENT
		return p, nil
	}
	p.Stat.Mode, p.Stat.Uid, p.Stat.Gid = cmp.Or(o.Mode, unix.S_IFREG), o.UIDs[3], o.GIDs[3]
	return p, nil
}

// Bytes returns the first n bytes at an address.
func (o *Observed) Bytes(addr uint64, n int) ([]byte, error) {
	b, ok := o.Memory[addr]
	if !ok || len(b) < n {
		return nil, fmt.Errorf("%d bytes of memory were not looked at", n)
	}
	return b[:n], nil
}

// String returns the text at an address, of a path resolved.
func (o *Observed) String(addr uint64, most int) (string, error) {
	if p, ok := o.Paths[addr]; ok {
		return cmp.Or(p.Name, "?"), nil // a pipe or a socket has no path
	}
	b := o.Memory[addr]
	return string(b[:min(len(b), most)]), nil
}

// observedSocket returns the socket of an observed call.
func observedSocket(c call) (Socket, bool) {
	o, ok := c.process.(*Observed)
	if !ok {
		return Socket{}, false
	}
	return o.Socket, true
}

// Unwatchable reports whether a call does what no recorder sees, so that it is
// refused while recording.
func Unwatchable(name string) bool { return refusal(name) != 0 }
