package bpf

import (
	"errors"
	"fmt"
)

// Rule allows a system call.
type Rule struct {
	Number int32
	// Args must all hold. A call with several rules is allowed by each.
	Args []Arg
}

// Arg is a condition on the low 32 bits of an argument, which are all that the
// kernel looks at where it takes an int or flags of that size.
type Arg struct {
	// Index is 0 to 5.
	Index int
	// Mask has the bits that are looked at; 0 stands for all.
	Mask uint32
	// Values are what these bits may be.
	Values []uint32
}

// killProcess is SECCOMP_RET_KILL_PROCESS.
const killProcess = 0x80000000

// Allow returns a filter that allows calls of an architecture, and returns
// another value for the other calls. The calls of another architecture end the
// process.
//
// Rules without conditions come last: their verdicts do not depend on more than
// the number, so that the kernel knows them without running the filter.
func Allow(arch uint32, rules []Rule, otherwise uint32) (Program, error) {
	p := Program{
		{Op: opLoad, K: 4}, {Op: opJEQ, JT: 1, K: arch}, {Op: opRet, K: killProcess}, {Op: opLoad, K: 0},
	}
	var plain []int32
	for _, r := range rules {
		if len(r.Args) == 0 {
			plain = append(plain, r.Number)
			continue
		}
		block, err := r.block()
		if err != nil {
			return nil, fmt.Errorf("call %d: %w", r.Number, err)
		}
		p = append(p, block...)
	}
	for _, number := range plain {
		p = append(p, Instruction{Op: opJEQ, JF: 1, K: uint32(number)}, Instruction{Op: opRet, K: allow})
	}
	p = append(p, Instruction{Op: opRet, K: otherwise})
	return Decode(p.Bytes())
}

// block allows a call where the conditions hold. It begins and ends with the
// number of the call being loaded.
func (r Rule) block() (Program, error) {
	var conditions Program
	for i := len(r.Args) - 1; i >= 0; i-- {
		test, err := r.Args[i].test(len(conditions) + 1)
		if err != nil {
			return nil, err
		}
		conditions = append(test, conditions...)
	}
	conditions = append(conditions, Instruction{Op: opRet, K: allow}, Instruction{Op: opLoad, K: 0})
	if len(conditions) > maxSkip {
		return nil, errors.New("too many conditions")
	}
	return append(Program{{Op: opJEQ, JF: uint8(len(conditions)), K: uint32(r.Number)}}, conditions...), nil
}

// maxSkip is how far a comparison can jump.
const maxSkip = 255

// test goes on where the condition holds, and else skips as many more
// instructions.
func (a Arg) test(more int) (Program, error) {
	if a.Index < 0 || a.Index > 5 || len(a.Values) == 0 || len(a.Values)+more > maxSkip {
		return nil, fmt.Errorf("a condition on argument %d with %d values", a.Index, len(a.Values))
	}
	p := Program{{Op: opLoad, K: uint32(16 + 8*a.Index)}}
	if a.Mask != 0 {
		p = append(p, Instruction{Op: opAnd, K: a.Mask})
	}
	for i, value := range a.Values {
		left := len(a.Values) - i - 1
		in := Instruction{Op: opJEQ, JT: uint8(left), K: value}
		if left == 0 {
			in.JF = uint8(more)
		}
		p = append(p, in)
	}
	return p, nil
}
