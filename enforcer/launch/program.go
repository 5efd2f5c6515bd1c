package launch

import (
	"fmt"
	"sync/atomic"
	"unsafe"

	"golang.org/x/sys/unix"

	"github.com/least-privilege/lpm/enforcer/plan"
)

// Program is a plan's operations as the child makes them: plain numbers, with
// every string and structure laid out in one piece of memory.
//
// It has no address in it, only offsets, so that it can be kept in a file and
// used by another process; see [Program.Encode] and [DecodeProgram]. What only
// the caller of a launch knows (descriptors, arguments, environment) is put in
// place by bind.
type Program struct {
	namespaces Namespaces
	calls      []call
	// first is where the calls of a process begin that is not the program
	// (see [plan.Init] and [plan.Join]), which comes out of the fork among the calls
	// before them. Without one it is the number of calls.
	first int
	// program and ended are slots of that process: of the one that it waits
	// for, and of how that has ended.
	program, ended int32
	// data holds what arguments point to.
	data []byte
	// pointers are words of data that hold the address of other data.
	pointers []pointer
	// patches are places in data that take the number of a descriptor.
	patches []patch
	// slots counts the descriptors: first those of opened, in its order,
	// then one for each operation that returns one.
	slots int
}

// call is one system call.
type call struct {
	number uint32
	args   [6]arg
	// out is the slot that takes the result, or -1.
	out   int32
	want  want
	value uint32
}

// arg is an argument of a call.
type arg struct {
	kind  argKind
	value uint64
}

// argKind says what the value of an [arg] is.
type argKind uint8

const (
	argValue   argKind = iota // passed as it is
	argFD                     // a slot, whose descriptor is passed
	argFDPlace                // a slot, whose address is passed
	argData                   // an offset into data, whose address is passed
	argGiven                  // a givenKind, whose address is passed
	argKinds
)

// givenKind is something that the caller of a launch gives.
type givenKind uint64

const (
	givenArgs givenKind = iota
	givenEnv
	givenConsole
	givenKinds
)

// pointer is a word of data, at an offset of its own, that holds the address
// of the data at another.
type pointer struct{ at, target uint32 }

// patch is a place in data that takes the descriptor of a slot.
type patch struct {
	slot int32
	at   uint32
}

// want says which result of a call counts as success.
type want uint8

const (
	wantSuccess want = iota // any but an error
	wantValue               // exactly value
	wantErrno               // the error whose number is value
	wantAny                 // also an error
	wants
)

// The descriptors that a child has from the start, by their slots.
const (
	openStdin = iota
	openStdout
	openStderr
	openParent
	openParentEnd
	openStatus
	// These are there with a first process that is not the program.
	openSealed
	openSealedEnd
	openHello
	openEnded // a number that the kernel writes, and no descriptor
	// This one is there, with a hello, where the container runs already.
	openContainer
	opens
)

// opened returns the names that plans give those descriptors, in the order of
// their slots.
func opened(several bool) []string {
	names := [opens]string{
		openStdin: "stdin", openStdout: "stdout", openStderr: "stderr",
		openParent: "parent", openParentEnd: "parentEnd", openStatus: "status",
		openSealed: "sealed", openSealedEnd: "sealedEnd", openHello: "hello", openEnded: "ended",
		openContainer: "container",
	}
	if !several {
		return names[:openSealed]
	}
	return names[:]
}

// loopCalls are the last calls of a first process, which it makes again and
// again: those of [plan.Init] from Wait on.
const loopCalls = 4

// hasInit reports whether the first process is not the program.
func (p *Program) hasInit() bool { return p.first < len(p.calls) && p.ended != 0 }

// Given is what a prepared program is completed with at each launch.
type Given struct {
	Args, Env []string
	// Console is the path of the container's terminal on the host.
	Console string
}

// bound is a program that can be run: every argument is a number.
type bound struct {
	calls []boundCall
	// first is where the calls of the first process begin, and reap what it
	// does after them; see [Program].
	first int
	reap  *reaper
	// arguments is this process's command line in memory, which a process
	// that executes nothing would show to the container.
	arguments []byte
	// fds holds the descriptor of each slot.
	fds []int32
	// status is where a call that fails is reported.
	status uintptr
	// held says that the child waits at the pipe gate for its calls. parent
	// is a pidfd of the process that will have them. The child sets apart when
	// it has a table of descriptors of its own.
	held   bool
	gate   [2]int
	parent int
	apart  atomic.Bool
	// keep holds on to what arguments point to, and to the child's stack.
	keep []any
}

// boundCall is a [call] as the child makes it.
type boundCall struct {
	number uintptr
	args   [6]uintptr
	// fdArgs is the slot of each argument that is a descriptor, or -1.
	fdArgs [6]int32
	out    int32
	want   want
	value  uintptr
	// forks tells that the calls go on in the child that this one makes.
	forks bool
	// patches takes the result, for structures that later calls pass.
	patches []*int32
}

// bind completes the program with descriptors, in the order of opened, and
// with what the caller gives.
func (p *Program) bind(fds []int32, g Given) *bound {
	b := &bound{calls: make([]boundCall, len(p.calls)), first: p.first, fds: make([]int32, p.slots)}
	copy(b.fds, fds)
	data := b.words(len(p.data))
	copy(data, p.data)
	address := func(offset uint32) uintptr { return uintptr(unsafe.Pointer(&data[offset])) }
	for _, ptr := range p.pointers {
		*(*uintptr)(unsafe.Pointer(&data[ptr.at])) = address(ptr.target)
	}
	places := make([][]*int32, p.slots)
	for _, at := range p.patches {
		place := (*int32)(unsafe.Pointer(&data[at.at]))
		*place = b.fds[at.slot]
		places[at.slot] = append(places[at.slot], place)
	}
	given := [givenKinds]uintptr{
		givenArgs: b.list(g.Args), givenEnv: b.list(g.Env), givenConsole: b.text(g.Console),
	}
	for i := range p.calls {
		c, dst := &p.calls[i], &b.calls[i]
		dst.number, dst.out, dst.want, dst.value = uintptr(c.number), c.out, c.want, uintptr(c.value)
		dst.forks = i < p.first && c.number == unix.SYS_CLONE
		if c.out >= 0 {
			dst.patches = places[c.out]
		}
		for j, a := range c.args {
			dst.fdArgs[j] = -1
			switch a.kind {
			case argFD:
				dst.fdArgs[j] = int32(a.value)
			case argFDPlace:
				dst.args[j] = uintptr(unsafe.Pointer(&b.fds[a.value]))
			case argData:
				dst.args[j] = address(uint32(a.value))
			case argGiven:
				dst.args[j] = given[a.value]
			default:
				dst.args[j] = uintptr(a.value)
			}
		}
	}
	if p.hasInit() {
		loop := b.calls[len(b.calls)-loopCalls:]
		b.calls = b.calls[:len(b.calls)-loopCalls]
		b.reap = &reaper{wait: loop[0], collect: loop[1], pass: loop[2], end: loop[3], program: p.program, ended: p.ended}
	}
	return b
}

// words returns size bytes that stay alive, as aligned as any field needs to
// be, and one more, so that every offset has an address.
func (b *bound) words(size int) []byte {
	words := make([]uint64, size/8+1)
	b.keep = append(b.keep, words)
	return unsafe.Slice((*byte)(unsafe.Pointer(unsafe.SliceData(words))), len(words)*8)
}

// text returns the address of a NUL-terminated string.
func (b *bound) text(s string) uintptr {
	data := b.words(len(s) + 1)
	copy(data, s)
	return uintptr(unsafe.Pointer(unsafe.SliceData(data)))
}

// list returns the address of a null-terminated array of strings.
func (b *bound) list(list []string) uintptr {
	size := 0
	for _, s := range list {
		size += len(s) + 1
	}
	data, pointers := b.words(size), make([]uintptr, len(list)+1)
	b.keep = append(b.keep, pointers)
	at := 0
	for i, s := range list {
		pointers[i] = uintptr(unsafe.Pointer(&data[at]))
		at += copy(data[at:], s) + 1
	}
	return uintptr(unsafe.Pointer(unsafe.SliceData(pointers)))
}

// Filters are those of a plan as BPF programs, arrays of struct sock_filter.
type Filters struct {
	// Program is the plan's Filters as one, and Init the filter of its Init.
	Program []byte `json:"program"`
	Init    []byte `json:"init,omitempty"`
}

// Compile translates a plan's operations, those of its Init included.
func Compile(p *plan.Plan, filters Filters) (*Program, error) {
	c, err := compile(p.Operations(), opened(p.Init != nil || p.Join != nil), filters)
	if err == nil {
		c.namespaces, err = namespaces(p.Namespaces)
	}
	switch {
	case err != nil:
	case p.Init != nil:
		err = c.split(len(p.Ops))
	case p.Join != nil:
		c.first = len(p.Ops)
	}
	if err != nil {
		return nil, fmt.Errorf("translating the plan: %w", err)
	}
	return &c.Program, nil
}
