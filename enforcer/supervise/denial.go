package supervise

import (
	"cmp"
	"math/bits"
	"slices"
	"sync"
	"time"

	"golang.org/x/sys/unix"
)

// Kind says what sort of permission a denial is about.
type Kind string

// The kinds of denials.
const (
	KindSyscall Kind = "syscall"
	KindProgram Kind = "program"
	KindConnect Kind = "connect"
	KindResolve Kind = "resolve"
	KindListen  Kind = "listen"
	KindRead    Kind = "read"
	KindWrite   Kind = "write"
)

// Denial is something the container tried that its manifest does not grant.
// What and Program come from the container: escape them before printing.
type Denial struct {
	Kind Kind `json:"kind"`
	// What was tried: a call ("ptrace"), with the arguments that decide
	// ("socket(AF_NETLINK)"), the path of a program or file, or an address
	// and port.
	What string `json:"what"`
	// Program is the path of the program that tried.
	Program string `json:"program"`
	// Errno is the name of the error that it got; of a name that it looked up,
	// "NXDOMAIN" or "NODATA".
	Errno string `json:"errno"`
	// Count is how often it was tried, First and Last when.
	Count uint64    `json:"count"`
	First time.Time `json:"first"`
	Last  time.Time `json:"last"`
	// Reason says in a few words why, where the kind and the manifest leave
	// that open.
	Reason string `json:"reason,omitempty"`
	// Grant is what in a manifest would allow it.
	Grant Grant `json:"grant"`
}

// Bounds of what is kept of denials, so that a hostile container cannot fill
// the supervisor's memory by trying ever new things: the number of distinct
// ones, and the bytes of their texts.
const (
	maxDenials     = 1000
	maxDenialBytes = 256 << 10
)

// ledger counts denials by what they are about.
type ledger struct {
	mu      sync.Mutex
	entries map[denialKey]*Denial
	bytes   int
	// others counts those that are not kept apart.
	others uint64
}

type denialKey struct {
	subject
	program string
}

// subject is what a denial is about, whoever tries.
type subject struct {
	kind Kind
	what string
}

// note counts a denial that happened so often. It returns a copy of the entry where that is worth a
// report: at first, and when the count has doubled since the last one, so that
// whoever keeps the reports knows the count within a factor of two at any
// time, and has few to keep.
func (l *ledger) note(r *refusal, program string, now time.Time, count uint64) (Denial, bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	key := denialKey{r.subject, program}
	d, known := l.entries[key]
	if !known {
		size := len(r.what) + len(program)
		if len(l.entries) >= maxDenials || l.bytes+size > maxDenialBytes {
			l.others += count
			return Denial{}, false
		}
		if l.entries == nil {
			l.entries = map[denialKey]*Denial{}
		}
		d = &Denial{Kind: r.kind, What: r.what, Program: program, Errno: cmp.Or(r.answer, unix.ErrnoName(r.errno)), First: now, Reason: r.why}
		if r.grant != nil {
			d.Grant = r.grant()
		}
		l.entries[key] = d
		l.bytes += size
	}
	before := d.Count
	d.Count += count
	d.Last = now
	return *d, bits.Len64(d.Count) > bits.Len64(before)
}

// sorted returns copies of the entries, in an order that does not change from
// run to run, and the number of others.
func (l *ledger) sorted() ([]Denial, uint64) {
	l.mu.Lock()
	defer l.mu.Unlock()
	list := make([]Denial, 0, len(l.entries))
	for _, d := range l.entries {
		list = append(list, *d)
	}
	slices.SortFunc(list, func(a, b Denial) int {
		return cmp.Or(cmp.Compare(a.Kind, b.Kind), cmp.Compare(a.What, b.What), cmp.Compare(a.Program, b.Program))
	})
	return list, l.others
}
