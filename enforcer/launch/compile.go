package launch

import (
	"encoding/binary"
	"errors"
	"fmt"
	"strconv"
	"unsafe"

	"golang.org/x/sys/unix"

	"github.com/least-privilege/lpm/enforcer/plan"
)

// program is a plan's operations as the child executes them: plain numbers,
// with every string and structure already in memory.
type program struct {
	calls []call
	// first is where the calls of the first process begin, which comes out
	// of the fork among the calls before them; see [plan.Init].
	first int
	reap  *reaper
	// arguments is this process's command line in memory, which a process
	// that executes nothing would show to the container.
	arguments []byte
	// fds holds the descriptor that each operation returned, and those that
	// were open from the start.
	fds []int32
	// keep holds on to what args point to. The child works on a copy of
	// this memory, so that it must be there only at the fork.
	keep []any
}

// call is one system call.
type call struct {
	number uintptr
	args   [6]uintptr
	// fdArgs is the index into fds of each argument that is a descriptor,
	// or -1.
	fdArgs [6]int16
	// out is the index into fds that takes the result, or -1.
	out int16
	// patches copies the result into structures that later calls pass.
	patches []*int32
	want    want
	value   uintptr
	// forks tells that the calls go on in the child that this one makes.
	forks bool
}

// reaper is the part of [plan.Init] that is made again and again. The slots
// are those of the process that it waits for, and of how that has ended.
type reaper struct {
	wait, collect, pass, end call
	program, ended           int16
}

// want says which result of a call counts as success.
type want uint8

const (
	wantSuccess want = iota // any but an error
	wantValue               // exactly value
	wantErrno               // the error whose number is value
	wantAny                 // also an error
)

// compiler translates one plan.
type compiler struct {
	program
	names   map[string]int16
	patches map[string][]*int32
	filters [][]byte
}

// compilePlan translates a plan's operations, those of its Init included.
func compilePlan(p *plan.Plan, opened map[string]int, filters [][]byte) (*program, error) {
	if p.Init == nil {
		return compile(p.Ops, opened, filters)
	}
	// A number that the kernel writes, and no descriptor.
	opened["ended"] = 0
	c, err := compileAll(operations(p), opened, filters)
	if err != nil {
		return nil, err
	}
	prog := &c.program
	loop := prog.calls[len(prog.calls)-4:]
	prog.calls = prog.calls[:len(prog.calls)-4]
	prog.first = len(p.Ops)
	program, forks := c.names["program"]
	if !forks {
		return nil, errors.New("the plan has a first process and no fork that makes another")
	}
	prog.reap = &reaper{wait: loop[0], collect: loop[1], pass: loop[2], end: loop[3], program: program, ended: c.names["ended"]}
	prog.arguments, err = arguments()
	return prog, err
}

// operations are all that a plan has, in the order in which failures count
// them.
func operations(p *plan.Plan) []plan.Op {
	return append(append([]plan.Op(nil), p.Ops...), p.Init.All()...)
}

// compile translates the operations. opened names the descriptors that exist
// from the start, filters are the plan's filters as BPF.
func compile(ops []plan.Op, opened map[string]int, filters [][]byte) (*program, error) {
	c, err := compileAll(ops, opened, filters)
	if err != nil {
		return nil, err
	}
	return &c.program, nil
}

func compileAll(ops []plan.Op, opened map[string]int, filters [][]byte) (*compiler, error) {
	c := &compiler{names: map[string]int16{}, patches: map[string][]*int32{}, filters: filters}
	c.fds = make([]int32, len(opened)+len(ops))
	n := int16(0)
	for name, fd := range opened {
		c.names[name] = n
		c.fds[n] = int32(fd)
		n++
	}
	c.calls = make([]call, len(ops))
	c.first = len(ops)
	for i, op := range ops {
		if err := c.op(&c.calls[i], op, n+int16(i)); err != nil {
			return nil, fmt.Errorf("operation %d, %s: %w", i, op, err)
		}
	}
	// A structure's descriptor may be one of an operation compiled before or
	// after it was mentioned, so that patches are handed out at the end.
	for i, op := range ops {
		if op.Out != "" {
			c.calls[i].patches = c.patches[op.Out]
		}
	}
	return c, nil
}

func (c *compiler) op(dst *call, op plan.Op, slot int16) error {
	nr, ok := number(op.Call)
	if !ok {
		return errors.New("not a call that plans are made of")
	}
	if len(op.Args) > len(dst.args) {
		return errors.New("more than six arguments")
	}
	dst.number, dst.forks = nr, op.Call == "clone"
	dst.out = -1
	for i := range dst.fdArgs {
		dst.fdArgs[i] = -1
	}
	for i, a := range op.Args {
		if err := c.arg(dst, i, a); err != nil {
			return fmt.Errorf("argument %d: %w", i, err)
		}
	}
	if op.Out != "" {
		if _, taken := c.names[op.Out]; taken {
			return fmt.Errorf("descriptor %q has been opened before", op.Out)
		}
		c.names[op.Out] = slot
		dst.out = slot
	}
	return dst.expect(op.Want)
}

func (dst *call) expect(text string) error {
	if text == "" {
		return nil
	}
	switch text {
	case "EAGAIN":
		dst.want, dst.value = wantErrno, uintptr(unix.EAGAIN)
		return nil
	case "any":
		dst.want = wantAny
		return nil
	}
	n, err := strconv.ParseUint(text, 10, 31)
	if err != nil {
		return fmt.Errorf("unknown result %q", text)
	}
	dst.want, dst.value = wantValue, uintptr(n)
	return nil
}

func (c *compiler) arg(dst *call, i int, a plan.Arg) error {
	switch {
	case a.Text != nil:
		dst.args[i] = c.bytes(append([]byte(*a.Text), 0))
	case a.Number != nil:
		dst.args[i] = uintptr(*a.Number)
	case a.Flags != "":
		v, err := constants(a.Flags)
		if err != nil {
			return err
		}
		dst.args[i] = uintptr(v)
	case a.FD != "":
		slot, ok := c.names[a.FD]
		if !ok {
			return fmt.Errorf("no descriptor %q so far", a.FD)
		}
		dst.fdArgs[i] = slot
	case a.Out != "":
		slot, ok := c.names[a.Out]
		if !ok {
			return fmt.Errorf("no descriptor %q so far", a.Out)
		}
		dst.args[i] = uintptr(unsafe.Pointer(&c.fds[slot]))
	case a.Struct != nil:
		v, err := c.structure(a.Struct)
		if err != nil {
			return err
		}
		dst.args[i] = v
	case a.List != nil:
		dst.args[i] = c.list(a.List)
	case a.Filter != nil:
		if *a.Filter < 0 || *a.Filter >= len(c.filters) {
			return fmt.Errorf("no filter %d", *a.Filter)
		}
		return c.filter(dst, i, c.filters[*a.Filter])
	}
	return nil
}

// bytes returns the address of a copy of b that stays alive.
func (c *compiler) bytes(b []byte) uintptr {
	c.keep = append(c.keep, b)
	return uintptr(unsafe.Pointer(unsafe.SliceData(b)))
}

// list returns the address of a null-terminated array of strings.
func (c *compiler) list(list []string) uintptr {
	pointers := make([]uintptr, len(list)+1)
	for i, s := range list {
		pointers[i] = c.bytes(append([]byte(s), 0))
	}
	c.keep = append(c.keep, pointers)
	return uintptr(unsafe.Pointer(unsafe.SliceData(pointers)))
}

// filter passes the address of a struct sock_fprog.
func (c *compiler) filter(dst *call, i int, bpf []byte) error {
	const instruction = 8
	if len(bpf) == 0 || len(bpf)%instruction != 0 {
		return fmt.Errorf("a filter of %d bytes is not a whole number of instructions", len(bpf))
	}
	// The kernel reads 64-bit structures; a []byte has no alignment of its
	// own, so that the instructions are copied.
	aligned := make([]unix.SockFilter, len(bpf)/instruction)
	copy(unsafe.Slice((*byte)(unsafe.Pointer(unsafe.SliceData(aligned))), len(bpf)), bpf)
	prog := &unix.SockFprog{Len: uint16(len(aligned)), Filter: unsafe.SliceData(aligned)}
	c.keep = append(c.keep, aligned, prog)
	dst.args[i] = uintptr(unsafe.Pointer(prog))
	return nil
}

// structure lays fields out one after the other; plans name padding.
func (c *compiler) structure(fields []plan.Field) (uintptr, error) {
	size := 0
	for _, f := range fields {
		size += f.Size
	}
	// Whole words, so that every field is as aligned as in C.
	words := make([]uint64, (size+7)/8)
	c.keep = append(c.keep, words)
	b := unsafe.Slice((*byte)(unsafe.Pointer(unsafe.SliceData(words))), len(words)*8)
	at := 0
	for _, f := range fields {
		if err := c.field(b[at:at+f.Size], f); err != nil {
			return 0, fmt.Errorf("field %s: %w", f.Name, err)
		}
		at += f.Size
	}
	return uintptr(unsafe.Pointer(unsafe.SliceData(words))), nil
}

func (c *compiler) field(dst []byte, f plan.Field) error {
	v := f.Value
	switch {
	case v.Text != nil:
		if len(*v.Text) > len(dst) {
			return fmt.Errorf("%q is longer than %d bytes", *v.Text, len(dst))
		}
		copy(dst, *v.Text)
		return nil
	case v.Number != nil:
		return put(dst, uint64(*v.Number))
	case v.Flags != "":
		n, err := constants(v.Flags)
		if err != nil {
			return err
		}
		return put(dst, n)
	case v.FD != "":
		slot, ok := c.names[v.FD]
		if !ok || f.Size != 4 {
			return fmt.Errorf("no descriptor %q of four bytes so far", v.FD)
		}
		binary.NativeEndian.PutUint32(dst, uint32(c.fds[slot]))
		c.patches[v.FD] = append(c.patches[v.FD], (*int32)(unsafe.Pointer(unsafe.SliceData(dst))))
		return nil
	}
	return errors.New("no value that a field can have")
}

func put(dst []byte, v uint64) error {
	switch len(dst) {
	case 1:
		dst[0] = byte(v)
	case 2:
		binary.NativeEndian.PutUint16(dst, uint16(v))
	case 4:
		binary.NativeEndian.PutUint32(dst, uint32(v))
	case 8:
		binary.NativeEndian.PutUint64(dst, v)
	default:
		return fmt.Errorf("a number of %d bytes", len(dst))
	}
	return nil
}
