package supervise

import (
	"cmp"
	"slices"
)

// Kind says what sort of permission a denial is about.
type Kind string

// The kinds of denials.
const (
	KindSyscall Kind = "syscall"
	KindProgram Kind = "program"
	KindConnect Kind = "connect"
	KindListen  Kind = "listen"
)

// Denial is something the container tried that its manifest does not grant.
// What and Program come from the container: escape them before printing.
type Denial struct {
	Kind Kind `json:"kind"`
	// What was tried: a call ("ptrace"), with the arguments that decide
	// ("socket(AF_NETLINK)"), a program's path, or an address and port.
	What string `json:"what"`
	// Program is the path of the program that tried.
	Program string `json:"program"`
	// Errno is the name of the error that it got.
	Errno string `json:"errno"`
	// Count is how often it was tried.
	Count uint64 `json:"count"`
	// Grant is the manifest's line, in CUE, that would allow it; empty where
	// no manifest can.
	Grant string `json:"grant"`
}

// maxDenials bounds the distinct denials that are kept, so that a hostile
// container cannot fill the supervisor's memory by trying ever new things.
const maxDenials = 1000

// ledger counts denials by what they are about.
type ledger struct {
	entries map[denialKey]*Denial
	// others counts those beyond maxDenials.
	others uint64
}

type denialKey struct {
	kind          Kind
	what, program string
}

// note counts d and returns its entry where it is a new one.
func (l *ledger) note(d Denial) *Denial {
	key := denialKey{d.Kind, d.What, d.Program}
	if e, known := l.entries[key]; known {
		e.Count++
		return nil
	}
	if len(l.entries) >= maxDenials {
		l.others++
		return nil
	}
	if l.entries == nil {
		l.entries = map[denialKey]*Denial{}
	}
	d.Count = 1
	l.entries[key] = &d
	return &d
}

// sorted returns copies of the entries in an order that does not change from
// run to run.
func (l *ledger) sorted() []Denial {
	list := make([]Denial, 0, len(l.entries))
	for _, d := range l.entries {
		list = append(list, *d)
	}
	slices.SortFunc(list, func(a, b Denial) int {
		return cmp.Or(cmp.Compare(a.Kind, b.Kind), cmp.Compare(a.What, b.What), cmp.Compare(a.Program, b.Program))
	})
	return list
}
