package launch

import (
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
	"math"
	"net/netip"
	"strconv"

	"golang.org/x/sys/unix"

	"github.com/least-privilege/lpm/enforcer/plan"
)

// compiler translates one plan.
type compiler struct {
	Program
	names   map[string]int32
	filters Filters
}

// compile translates operations. opened names the descriptors that exist from
// the start.
func compile(ops []plan.Op, opened []string, filters Filters) (*compiler, error) {
	c := &compiler{names: map[string]int32{}, filters: filters}
	for _, name := range opened {
		c.names[name] = int32(c.slots)
		c.slots++
	}
	c.calls, c.first = make([]call, len(ops)), len(ops)
	for i, op := range ops {
		if err := c.op(&c.calls[i], op); err != nil {
			return nil, fmt.Errorf("operation %d, %s: %w", i, op, err)
		}
	}
	return c, nil
}

// split makes the calls from first on those of a first process that is not the
// program; see [plan.Init].
func (c *compiler) split(first int) error {
	program, forks := c.names["program"]
	if !forks {
		return errors.New("the plan has a first process and no fork that makes another")
	}
	c.first, c.program, c.ended = first, program, openEnded
	if c.calls[len(c.calls)-loopCalls].out < 0 {
		return errors.New("the first process waits for nothing")
	}
	return nil
}

func (c *compiler) op(dst *call, op plan.Op) error {
	nr, ok := number(op.Call)
	if !ok {
		return errors.New("not a call that plans are made of")
	}
	if len(op.Args) > len(dst.args) {
		return errors.New("more than six arguments")
	}
	dst.number, dst.out = uint32(nr), -1
	for i, a := range op.Args {
		var err error
		if dst.args[i], err = c.arg(a); err != nil {
			return fmt.Errorf("argument %d: %w", i, err)
		}
	}
	if op.Out != "" {
		if _, taken := c.names[op.Out]; taken {
			return fmt.Errorf("descriptor %q has been opened before", op.Out)
		}
		dst.out = int32(c.slots)
		c.names[op.Out] = dst.out
		c.slots++
	}
	return dst.expect(op.Want)
}

func (dst *call) expect(text string) error {
	if text == "" {
		return nil
	}
	switch text {
	case "EAGAIN":
		dst.want, dst.value = wantErrno, uint32(unix.EAGAIN)
		return nil
	case "ENOENT":
		dst.want, dst.value = wantErrno, uint32(unix.ENOENT)
		return nil
	}
	if text == "any" {
		dst.want = wantAny
		return nil
	}
	n, err := strconv.ParseUint(text, 10, 31)
	if err != nil {
		return fmt.Errorf("unknown result %q", text)
	}
	dst.want, dst.value = wantValue, uint32(n)
	return nil
}

func (c *compiler) arg(a plan.Arg) (arg, error) {
	switch {
	case a.Given != "":
		kind, err := given(a.Given)
		return arg{argGiven, uint64(kind)}, err
	case a.List != nil:
		return arg{}, errors.New("a list that is not given at the launch")
	case a.Text != nil:
		return arg{argData, uint64(c.bytes([]byte(*a.Text), 0))}, nil
	case a.Number != nil:
		return arg{argValue, uint64(*a.Number)}, nil
	case a.Flags != "":
		v, err := constants(a.Flags)
		return arg{argValue, v}, err
	case a.FD != "":
		slot, err := c.slot(a.FD)
		return arg{argFD, uint64(slot)}, err
	case a.Out != "":
		slot, err := c.slot(a.Out)
		return arg{argFDPlace, uint64(slot)}, err
	case a.Struct != nil:
		at, err := c.structure(a.Struct)
		return arg{argData, uint64(at)}, err
	case a.Filters:
		at, err := c.filter(c.filters.Program)
		return arg{argData, uint64(at)}, err
	case a.InitFilter:
		at, err := c.filter(c.filters.Init)
		return arg{argData, uint64(at)}, err
	}
	return arg{}, nil
}

func given(name plan.Given) (givenKind, error) {
	switch name {
	case plan.GivenArgs:
		return givenArgs, nil
	case plan.GivenEnv:
		return givenEnv, nil
	case plan.GivenConsole:
		return givenConsole, nil
	}
	return 0, fmt.Errorf("nothing that a launch is given is called %q", name)
}

func (c *compiler) slot(name string) (int32, error) {
	slot, ok := c.names[name]
	if !ok {
		return 0, fmt.Errorf("no descriptor %q so far", name)
	}
	return slot, nil
}

// bytes adds b to the data, with a NUL behind it and at least size bytes in
// all, and returns where it begins: at a word, as every structure has to.
func (c *compiler) bytes(b []byte, size int) uint32 {
	at := len(c.data)
	size = max(size, len(b)+1)
	c.data = append(c.data, make([]byte, (size+7)&^7)...)
	copy(c.data[at:], b)
	return uint32(at)
}

// filter adds a struct sock_fprog: the number of instructions, and their
// address in the second word.
func (c *compiler) filter(bpf []byte) (uint32, error) {
	const instruction = 8
	if len(bpf) == 0 || len(bpf)%instruction != 0 || len(bpf)/instruction > math.MaxUint16 {
		return 0, fmt.Errorf("a filter of %d bytes is not a whole number of instructions", len(bpf))
	}
	target := c.bytes(bpf, 0)
	at := c.bytes(nil, 16)
	binary.NativeEndian.PutUint16(c.data[at:], uint16(len(bpf)/instruction))
	c.pointers = append(c.pointers, pointer{at: at + 8, target: target})
	return at, nil
}

// structure lays fields out one after the other; plans name padding.
func (c *compiler) structure(fields []plan.Field) (uint32, error) {
	size := 0
	for _, f := range fields {
		size += f.Size
	}
	start := c.bytes(nil, size)
	at := start
	for _, f := range fields {
		if err := c.field(at, f); err != nil {
			return 0, fmt.Errorf("field %s: %w", f.Name, err)
		}
		at += uint32(f.Size)
	}
	return start, nil
}

func (c *compiler) field(at uint32, f plan.Field) error {
	dst, v := c.data[at:at+uint32(f.Size)], f.Value
	switch {
	case v.Text != nil:
		if len(*v.Text) > len(dst) {
			return fmt.Errorf("%q is longer than %d bytes", *v.Text, len(dst))
		}
		copy(dst, *v.Text)
		return nil
	case v.Address != "":
		a, err := netip.ParseAddr(v.Address)
		if err == nil && a.BitLen() != 8*len(dst) {
			err = fmt.Errorf("%s is not of %d bytes", a, len(dst))
		}
		copy(dst, a.AsSlice())
		return err
	case v.Bytes != "":
		b, err := hex.DecodeString(v.Bytes)
		if err == nil && len(b) != len(dst) {
			err = fmt.Errorf("%q is not of %d bytes", v.Bytes, len(dst))
		}
		copy(dst, b)
		return err
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
		c.patches = append(c.patches, patch{slot: slot, at: at})
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
