package analyzer

import (
	"fmt"
	"slices"
	"strings"

	"github.com/least-privilege/lpm/manifest"
)

// Reach says whether the image's code can make a system call.
type Reach string

const (
	// CanReach is a call that code can make, as far as its references tell.
	CanReach Reach = "reachable"
	// CannotReach is one that none of the code makes that was looked at. A
	// grant of it is of no use, or the code is made at run time.
	CannotReach Reach = "not reachable"
	// ReachUnknown is one that was not found, while some code could not be
	// read or makes calls that cannot be told.
	ReachUnknown Reach = "unknown"
)

// reach says whether the image's code can make a call; empty where nobody has
// looked.
func (f ImageFacts) reach(call string) Reach {
	switch _, found := f.Reachable[call]; {
	case f.Reachable == nil:
		return ""
	case found:
		return CanReach
	case len(f.Unknown)+len(f.Sites) > 0:
		return ReachUnknown
	}
	return CannotReach
}

// Reach says of the system calls that a manifest grants whether the image's
// code can make them, by the permissions' IDs. It has nothing where nobody has
// looked at the code, or where the manifest is for another architecture.
func (p *Proposal) Reach(m *manifest.Manifest) map[string]Reach {
	reach := map[string]Reach{}
	if p.facts.Reachable == nil || m.Syscalls.Architecture != p.Manifest.Syscalls.Architecture {
		return reach
	}
	calls := callsByPlace(m)
	for _, permission := range m.Permissions() {
		if call, ok := calls[permission.Path]; ok {
			reach[permission.ID] = p.facts.reach(call.Name)
		}
	}
	return reach
}

// Spare returns the IDs of the system calls that a manifest grants, no record
// shows and no code of the image can make, sorted. Those that every program
// needs are not among them: the kernel itself makes some.
func (p *Proposal) Spare(m *manifest.Manifest) []string {
	why := p.Explain(m)
	var spare []string
	for id, reach := range p.Reach(m) {
		if _, rests := why[id]; !rests && reach == CannotReach {
			spare = append(spare, id)
		}
	}
	slices.Sort(spare)
	return spare
}

// Untold says in a line why the reach of calls is unknown, or nothing where
// all is known.
func (p *Proposal) Untold() string {
	switch {
	case p.facts.Reachable == nil:
		return "the image's code was not looked at"
	case len(p.facts.Unknown) > 0:
		return line(fmt.Sprintf("the calls of %s cannot be told", p.facts.Unknown[0]))
	case len(p.facts.Sites) > 0:
		return line(fmt.Sprintf("%s makes a call that cannot be told", p.facts.Sites[0]))
	}
	return ""
}

// occasion is something that few runs show and every program in service meets.
type occasion struct {
	what  string
	calls string
	// within says that a program need not ask for the calls itself: they come
	// with what the C library does on the occasion.
	within bool
}

// occasions are the days on which a program that was watched at a benchmark
// fails: of nginx, redis and memcached, and of the C library's own work, each
// is what their test suites came to and their benchmarks did not. They are
// few, so that a proposal stays one that a person reads; all are of the normal
// protection level, which a test holds: on descriptors and files that the
// program has by other permissions, to its own processes (a container sees no
// others), or of its own state. Nothing that starts programs, makes sockets,
// maps memory or changes identity is among them, however reachable.
func occasions() []occasion {
	return []occasion{
		// Snapshots and logs are written beside the old ones and renamed; a
		// disk that is full, a file that is cut short.
		{what: "files replaced, log rotation", calls: "rename renameat renameat2 unlink unlinkat ftruncate truncate fsync fdatasync"},
		// A master that stops, reloads or replaces its workers.
		{what: "reload and shutdown", calls: "kill wait4 waitid umask chdir getpgrp lstat"},
		{what: "signals", calls: "rt_sigsuspend rt_sigreturn rt_sigtimedwait"},
		// Peers that refuse, are slow, go away or send much at once.
		{what: "network errors and other peers", calls: "connect accept accept4 getsockopt getsockname getpeername shutdown sendto recvfrom sendmsg"},
		{what: "name resolution", calls: "recvmsg", within: true}, // getaddrinfo asks the kernel for its addresses
		{what: "large requests", calls: "readv writev preadv pwritev pread64 pwrite64"},
		{what: "waiting and retrying", calls: "poll nanosleep clock_nanosleep"},
		{what: "folders read", calls: "getdents64"},
		{what: "a clock without the vDSO", calls: "time"},
	}
}

// addReachable adds what no run showed, the image's code can do, and one of
// the occasions takes.
func (p *proposer) addReachable(calls map[string]proposedCall) {
	for _, o := range occasions() {
		for _, name := range strings.Fields(o.calls) {
			how, reachable := p.facts.Reachable[name]
			info, exists := manifest.LookupSyscall(p.arch, name)
			if _, have := calls[name]; have || !reachable || !exists || !o.within && !p.facts.Asked[name] {
				continue
			}
			calls[name] = proposedCall{info: info, why: Explanation{
				Basis: Reachable, Text: fmt.Sprintf("not seen; reachable, for %s (%s)", o.what, how),
			}}
		}
	}
}
