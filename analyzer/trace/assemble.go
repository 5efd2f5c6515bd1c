package trace

import (
	"fmt"

	"github.com/cilium/ebpf"
	"github.com/cilium/ebpf/asm"
)

// code is a program that is being written. Registers are used alike in all of
// them: R6 to R9 keep what a function works with, R1 to R5 are what a call
// takes and destroys, R0 is what it returns.
type code struct {
	asm.Instructions
	maps  *maps
	at    *layout
	seed  [2]uint64
	label string // of the next instruction
	fresh int
}

// emit appends instructions; the first gets the label that is due.
func (c *code) emit(list ...asm.Instruction) {
	for _, i := range list {
		if c.label != "" {
			i, c.label = i.WithSymbol(c.label), ""
		}
		c.Instructions = append(c.Instructions, i)
	}
}

// mark labels the next instruction.
func (c *code) mark(label string) {
	if c.label != "" {
		// Two labels at one place: a jump to the next instruction holds the
		// first of them.
		c.emit(asm.Instruction{OpCode: asm.OpCode(asm.JumpClass).SetJumpOp(asm.Ja)})
	}
	c.label = label
}

// name makes a label that no other place has.
func (c *code) name(what string) string {
	c.fresh++
	return fmt.Sprintf("%s_%d", what, c.fresh)
}

// slot is a place on the stack, from its top downwards, of eight bytes.
type slot int16

func (s slot) offset() int16 { return -8 * (int16(s) + 1) }

func (c *code) store(s slot, r asm.Register) {
	c.emit(asm.StoreMem(asm.R10, s.offset(), r, asm.DWord))
}

func (c *code) load(r asm.Register, s slot) {
	c.emit(asm.LoadMem(r, asm.R10, s.offset(), asm.DWord))
}

// address has a register point to a place on the stack.
func (c *code) address(r asm.Register, s slot) {
	c.emit(asm.Mov.Reg(r, asm.R10), asm.Add.Imm(r, int32(s.offset())))
}

// mapPointer has a register point to a map.
func (c *code) mapPointer(r asm.Register, m *ebpf.Map) {
	c.emit(asm.LoadMapPtr(r, m.FD()))
}

// lookup leaves a pointer to a map's value in R0, or 0. The key starts at a
// place on the stack.
func (c *code) lookup(m *ebpf.Map, key slot) {
	c.mapPointer(asm.R1, m)
	c.address(asm.R2, key)
	c.emit(asm.FnMapLookupElem.Call())
}

// read reads n bytes of the kernel's memory, from base and an offset, to a
// place on the stack, and into a register what it is as a number. Memory that
// is not there reads as 0.
func (c *code) read(to asm.Register, s slot, base asm.Register, offset uint32, n int32) {
	c.emit(asm.Mov.Reg(asm.R3, base), asm.Add.Imm(asm.R3, int32(offset)))
	if n < 8 {
		c.emit(set(asm.R10, s.offset(), 0))
	}
	c.address(asm.R1, s)
	c.emit(asm.Mov.Imm(asm.R2, n), asm.FnProbeReadKernel.Call())
	// The numbers here are those of little-endian machines, which all are
	// that lpm runs on.
	c.load(to, s)
}

// count adds 1 to one of the counters. It destroys R0 to R5.
func (c *code) count(which counter, s slot) {
	done := c.name("counted")
	c.emit(asm.StoreImm(asm.R10, s.offset(), int64(which), asm.Word))
	c.lookup(c.maps.counters, s)
	c.emit(
		asm.JEq.Imm(asm.R0, 0, done),
		asm.Mov.Imm(asm.R1, 1),
		asm.StoreXAdd(asm.R0, asm.R1, asm.DWord),
	)
	c.mark(done)
}

// finish ends a program.
func (c *code) finish() { c.emit(asm.Mov.Imm(asm.R0, 0), asm.Return()) }

// set stores a number in eight bytes, of which it may be no more than 32 bits
// with a sign.
func set(at asm.Register, offset int16, value int64) asm.Instruction {
	return asm.Instruction{OpCode: asm.StoreImmOp(asm.DWord), Dst: at, Offset: offset, Constant: value}
}

// mayGoto starts a turn of a loop. The kernel ends loops that have it, by going
// to the label after some millions of turns, so that the verifier needs to
// look at one turn only and not at all of them (Linux 6.9, BPF_MAY_GOTO).
func mayGoto(label string) asm.Instruction {
	return asm.Instruction{OpCode: asm.OpCode(asm.JumpClass).SetJumpOp(asm.JCOND), Offset: -1}.WithReference(label)
}
