// Package bpf reads, prints and runs finished seccomp filters, and writes simple
// ones.
//
// A filter is classic BPF (linux/filter.h) over struct seccomp_data
// (linux/seccomp.h). The package knows the instructions that libseccomp
// writes and refuses every other: a program that it cannot follow is an
// error, never a guess. It links no C and touches no kernel, so that the
// launcher, a test or a reviewer's tool can use it on bytes from anywhere.
package bpf

import (
	"encoding/binary"
	"errors"
	"fmt"
)

// MaxInstructions is the kernel's bound on a filter's length (BPF_MAXINSNS).
const MaxInstructions = 4096

// instructionSize is the size of struct sock_filter, in bytes.
const instructionSize = 8

// ErrMalformed is in the chain of every error about bytes that are no filter
// this package can follow.
var ErrMalformed = errors.New("not a seccomp filter")

// Opcodes, as linux/bpf_common.h puts them together.
const (
	opLoad = 0x20 // BPF_LD|BPF_W|BPF_ABS
	opAnd  = 0x54 // BPF_ALU|BPF_AND|BPF_K
	opJump = 0x05 // BPF_JMP|BPF_JA
	opJEQ  = 0x15 // BPF_JMP|BPF_JEQ|BPF_K
	opJGT  = 0x25 // BPF_JMP|BPF_JGT|BPF_K
	opJGE  = 0x35 // BPF_JMP|BPF_JGE|BPF_K
	opJSET = 0x45 // BPF_JMP|BPF_JSET|BPF_K
	opRet  = 0x06 // BPF_RET|BPF_K
)

// Instruction is one struct sock_filter.
type Instruction struct {
	Op     uint16
	JT, JF uint8
	K      uint32
}

// Program is a filter that [Decode] found sound: every jump goes forward and
// stays inside, every path ends in a return, every load is of an aligned word
// of struct seccomp_data.
type Program []Instruction

// Decode reads an array of struct sock_filter in the byte order of amd64 and
// arm64. Errors wrap [ErrMalformed].
func Decode(raw []byte) (Program, error) {
	n := len(raw) / instructionSize
	switch {
	case len(raw)%instructionSize != 0:
		return nil, fmt.Errorf("%w: %d bytes are no whole number of instructions", ErrMalformed, len(raw))
	case n == 0 || n > MaxInstructions:
		return nil, fmt.Errorf("%w: %d instructions, not 1 to %d", ErrMalformed, n, MaxInstructions)
	}
	p := make(Program, n)
	for i := range p {
		b := raw[i*instructionSize:]
		p[i] = Instruction{
			Op: binary.LittleEndian.Uint16(b),
			JT: b[2],
			JF: b[3],
			K:  binary.LittleEndian.Uint32(b[4:]),
		}
	}
	for i := range p {
		if err := p.check(i); err != nil {
			return nil, fmt.Errorf("%w: instruction %d: %w", ErrMalformed, i, err)
		}
	}
	return p, nil
}

// Bytes returns what [Decode] reads.
func (p Program) Bytes() []byte {
	raw := make([]byte, 0, len(p)*instructionSize)
	for _, in := range p {
		raw = binary.LittleEndian.AppendUint16(raw, in.Op)
		raw = append(raw, in.JT, in.JF)
		raw = binary.LittleEndian.AppendUint32(raw, in.K)
	}
	return raw
}

// check reports why instruction i cannot be followed, whatever ran before it.
func (p Program) check(i int) error {
	in, left := p[i], uint64(len(p)-i-1)
	switch in.Op {
	case opRet:
		return nil
	case opLoad:
		if in.K%4 != 0 || in.K >= dataSize {
			return fmt.Errorf("load at offset %d of struct seccomp_data", in.K)
		}
		return forward(0, left)
	case opAnd:
		return forward(0, left)
	case opJump:
		return forward(uint64(in.K), left)
	case opJEQ, opJGT, opJGE, opJSET:
		return forward(uint64(max(in.JT, in.JF)), left)
	}
	return fmt.Errorf("unknown opcode %#x", in.Op)
}

// forward reports whether the instruction that follows after skip others is
// one of the left ones.
func forward(skip, left uint64) error {
	if skip >= left {
		return errors.New("continues past the end")
	}
	return nil
}
