package static

import (
	"encoding/binary"

	"golang.org/x/arch/x86/x86asm"
)

// amd64 reads the machine code of x86-64.
type amd64 struct{ m *image }

const (
	rax = 0
	rcx = 1
	rdx = 2
	rbx = 3
	rsp = 4
	rsi = 6
	rdi = 7

	allAMD64 = 0xffff &^ (1 << rsp)
)

// convention is that of the System V ABI and of the kernel (syscall(2)).
func (amd64) convention() convention {
	return convention{
		stack: rsp, number: rax, arguments: []int8{rdi, rsi, rdx, rcx, 8, 9},
		clobbered: 1<<rax | 1<<rcx | 1<<rdx | 1<<rsi | 1<<rdi | 0xf<<8,
		answered:  1<<rax | 1<<rcx | 1<<11,
		pushed:    8,
	}
}

// endbr64 begins what may be jumped to; x86asm takes it for something else.
const endbr64 = 0xfa1e0ff3

// stub knows the jumps of procedure linkage tables: "jmp *slot(%rip)", also
// with a bnd prefix, also after endbr64.
func (amd64) stub(code []byte, at uint64) (uint64, bool) {
	i := 0
	if len(code) >= 4 && binary.LittleEndian.Uint32(code) == endbr64 {
		i = 4
	}
	if len(code) > i && code[i] == 0xf2 {
		i++
	}
	if len(code) < i+6 || code[i] != 0xff || code[i+1] != 0x25 {
		return 0, false
	}
	return at + uint64(i) + 6 + uint64(int64(int32(binary.LittleEndian.Uint32(code[i+2:])))), true
}

func (p amd64) decode(s *step, code []byte, at uint64) {
	*s = step{at: at, size: 1, dst: noRegister, from: noRegister, base: noRegister}
	code = code[:min(len(code), 15)]
	if len(code) >= 4 && binary.LittleEndian.Uint32(code) == endbr64 {
		s.size = 4
		return
	}
	inst, err := x86asm.Decode(code, 64)
	// Of what it does not know, x86asm returns the first prefix alone.
	if err != nil || inst.Len == 0 || inst.Len == 1 && inst.Prefix[0] != 0 && inst.Op == 0 {
		s.kills, s.bad = allAMD64, true
		return
	}
	s.size = uint8(inst.Len)
	if s.idle = inst.Op == x86asm.NOP || inst.Op == x86asm.XCHG && inst.Args[0] == inst.Args[1]; s.idle {
		return
	}
	p.addresses(s, &inst)
	switch inst.Op {
	case x86asm.CALL, x86asm.LCALL:
		s.kind = call
		p.target(s, &inst)
	case x86asm.JMP, x86asm.LJMP:
		s.kind = jump
		p.target(s, &inst)
	case x86asm.RET, x86asm.LRET, x86asm.IRET, x86asm.IRETD, x86asm.IRETQ, x86asm.HLT, x86asm.UD0, x86asm.UD1, x86asm.UD2:
		s.kind, s.returns = stop, inst.Op == x86asm.RET || inst.Op == x86asm.LRET || inst.Op == x86asm.IRETQ
	case x86asm.SYSCALL:
		s.kind = kernel
	default:
		if _, relative := inst.Args[0].(x86asm.Rel); relative {
			switch inst.Op {
			case x86asm.JE:
				s.zero = there
			case x86asm.JNE:
				s.zero = next
			}
			s.kind, s.kills = branch, 1<<rcx&loops(inst.Op)
			p.target(s, &inst)
			return
		}
		p.effect(s, &inst)
	}
}

// loops has all bits where a branch counts in rcx.
func loops(op x86asm.Op) uint32 {
	if op == x86asm.LOOP || op == x86asm.LOOPE || op == x86asm.LOOPNE {
		return ^uint32(0)
	}
	return 0
}

// target notes where a jump or call leads.
func (p amd64) target(s *step, inst *x86asm.Inst) {
	switch a := inst.Args[0].(type) {
	case x86asm.Rel:
		s.to = s.next() + uint64(int64(a))
	case x86asm.Mem:
		if s.reads != 0 && a.Index == 0 {
			s.slot, s.reads = s.reads, 0
		}
	}
}

// addresses notes those that an instruction names.
func (p amd64) addresses(s *step, inst *x86asm.Inst) {
	for i, arg := range inst.Args {
		switch a := arg.(type) {
		case x86asm.Mem:
			addr, table := uint64(0), false
			switch {
			case a.Base == x86asm.RIP:
				addr = s.next() + uint64(a.Disp)
			case a.Base == 0 && a.Segment == 0 && p.m.fixed:
				addr, table = uint64(a.Disp), a.Index != 0
			case p.m.fixed && a.Disp > 0 && a.Segment == 0:
				// An array at a fixed place, or just a large structure.
				addr, table = uint64(a.Disp), true
			}
			if addr == 0 || p.m.fixed && p.m.segmentOf(addr) == nil && a.Base != x86asm.RIP {
				continue
			}
			if inst.Op == x86asm.LEA || table {
				s.refers = addr
			} else if inst.Op != x86asm.MOV || i != 0 {
				s.reads, s.width = addr, uint8(max(min(inst.MemBytes, 64), 8))
			}
		case x86asm.Imm:
			if p.m.fixed && a > 0 && p.m.segmentOf(uint64(a)) != nil {
				s.refers = uint64(a)
			}
		}
	}
}

// register numbers one, and tells how many bits of it are meant.
func register(r x86asm.Reg) (number int8, bits int) {
	switch {
	case r >= x86asm.RAX && r <= x86asm.R15:
		return int8(r - x86asm.RAX), 64
	case r >= x86asm.EAX && r <= x86asm.R15L:
		return int8(r - x86asm.EAX), 32
	case r >= x86asm.AX && r <= x86asm.R15W:
		return int8(r - x86asm.AX), 16
	case r >= x86asm.SPB && r <= x86asm.R15B:
		return int8(r-x86asm.SPB) + 4, 8
	case r >= x86asm.AH && r <= x86asm.BH:
		return int8(r - x86asm.AH), 8
	case r >= x86asm.AL && r <= x86asm.BL:
		return int8(r - x86asm.AL), 8
	}
	return noRegister, 0
}

// isLow reports whether a register is the last byte of one.
func isLow(r x86asm.Reg) bool {
	return r >= x86asm.AL && r <= x86asm.BL || r >= x86asm.SPB && r <= x86asm.R15B
}

// memory returns base and displacement of plain ones, "8(%rsp)", or noRegister
// and the address, "8(%rip)".
func (p amd64) memory(s *step, arg x86asm.Arg) (base int8, offset int64, ok bool) {
	if a, is := arg.(x86asm.Mem); is && a.Index == 0 && a.Segment == 0 {
		switch {
		case a.Base == x86asm.RIP:
			return noRegister, int64(s.next()) + a.Disp, true
		case a.Base == 0 && p.m.fixed:
			return noRegister, a.Disp, true
		}
	}
	return memory(arg)
}

// memory returns those with a register.
func memory(arg x86asm.Arg) (base int8, offset int64, ok bool) {
	a, is := arg.(x86asm.Mem)
	if !is || a.Index != 0 || a.Segment != 0 {
		return noRegister, 0, false
	}
	n, bits := register(a.Base)
	return n, a.Disp, bits == 64
}

// effect notes what an instruction does to registers and the stack.
func (p amd64) effect(s *step, inst *x86asm.Inst) {
	var dst, src int8 = noRegister, noRegister
	var bits, srcBits int
	if r, ok := inst.Args[0].(x86asm.Reg); ok {
		dst, bits = register(r)
	}
	if r, ok := inst.Args[1].(x86asm.Reg); ok {
		src, srcBits = register(r)
	}
	imm, isImm := inst.Args[1].(x86asm.Imm)
	switch inst.Op {
	case x86asm.TEST, x86asm.CMP:
		if dst != noRegister && bits >= 32 && (inst.Op == x86asm.TEST && dst == src && srcBits == bits || inst.Op == x86asm.CMP && isImm && imm == 0) {
			s.form, s.from = isTested, dst
		}
		return
	case x86asm.BT, x86asm.NOP, x86asm.PAUSE, x86asm.LFENCE, x86asm.MFENCE, x86asm.SFENCE:
		return
	case x86asm.PUSH:
		s.form, s.from = isPush, dst
		if i, ok := inst.Args[0].(x86asm.Imm); ok {
			s.value = uint64(i)
		} else if dst == noRegister {
			s.form, s.dst = isSum, rsp
			s.from, s.value = rsp, ^uint64(7)
		}
		return
	case x86asm.POP:
		s.form, s.dst = isPop, dst
		return
	case x86asm.MOV, x86asm.MOVQ:
		if dst == noRegister {
			if base, offset, ok := p.memory(s, inst.Args[0]); ok && (src != noRegister || isImm) {
				s.form, s.base, s.offset, s.from, s.value = isStore, base, offset, src, uint64(imm)
				s.to32 = inst.MemBytes == 4
				if inst.MemBytes < 4 {
					s.form, s.wipes = isUnknown, uint8(inst.MemBytes)
				}
			}
			return
		}
	case x86asm.XCHG, x86asm.XADD:
		s.kills = mask(dst) | mask(src)
		return
	case x86asm.LEAVE:
		s.form, s.dst, s.from = isCopy, rsp, 5
		s.kills = 1 << 5
		return
	}
	if base, offset, ok := p.memory(s, inst.Args[0]); ok {
		s.base, s.offset, s.wipes = base, offset, uint8(min(inst.MemBytes, 64))
	}
	if bits < 32 {
		if _, low := inst.Args[0].(x86asm.Reg); low && isImm && inst.Op == x86asm.MOV && isLow(inst.Args[0].(x86asm.Reg)) {
			s.form, s.dst, s.value = isByte, dst, uint64(imm)&0xff
			return
		}
		s.kills = mask(dst) | implied(inst.Op)
		return
	}
	s.dst, s.to32 = dst, bits == 32
	p.written(s, inst, src, srcBits, imm, isImm)
	s.kills |= implied(inst.Op)
}

// written notes what a whole register becomes.
func (p amd64) written(s *step, inst *x86asm.Inst, src int8, srcBits int, imm x86asm.Imm, isImm bool) {
	same := src == s.dst && srcBits >= 32
	switch inst.Op {
	case x86asm.MOV, x86asm.MOVSXD, x86asm.MOVZX, x86asm.MOVSX:
		base, offset, plainMemory := p.memory(s, inst.Args[1])
		switch {
		case isImm:
			s.form, s.value = isNumber, uint64(imm)
		case src != noRegister && srcBits >= 32:
			s.form, s.from = isCopy, src
		case plainMemory && inst.MemBytes >= 4:
			s.form, s.from, s.value = isLoad, base, uint64(offset)
		}
	case x86asm.LEA:
		base, offset, plainMemory := memory(inst.Args[1])
		switch {
		case plainMemory:
			s.form, s.from, s.value = isSum, base, uint64(offset)
		case s.refers != 0:
			if a, ok := inst.Args[1].(x86asm.Mem); ok && a.Index == 0 {
				s.form, s.value = isNumber, s.refers
			}
		}
	case x86asm.XOR, x86asm.SUB, x86asm.ADD, x86asm.OR, x86asm.AND:
		switch {
		case same && (inst.Op == x86asm.XOR || inst.Op == x86asm.SUB):
			s.form, s.value = isNumber, 0
		case isImm && inst.Op == x86asm.ADD:
			s.form, s.from, s.value = isSum, s.dst, uint64(imm)
		case isImm && inst.Op == x86asm.SUB:
			s.form, s.from, s.value = isSum, s.dst, -uint64(imm)
		case isImm && inst.Op == x86asm.OR && imm == -1, isImm && inst.Op == x86asm.AND && imm == 0:
			s.form, s.value = isNumber, uint64(imm)
		case isImm && inst.Op == x86asm.AND && s.dst == rsp:
			s.form, s.from = isCopy, rsp // aligned: places above it are lost
		}
	case x86asm.INC:
		s.form, s.from, s.value = isSum, s.dst, 1
	case x86asm.DEC:
		s.form, s.from, s.value = isSum, s.dst, ^uint64(0)
	case x86asm.CMOVA, x86asm.CMOVAE, x86asm.CMOVB, x86asm.CMOVBE, x86asm.CMOVE, x86asm.CMOVG, x86asm.CMOVGE, x86asm.CMOVL,
		x86asm.CMOVLE, x86asm.CMOVNE, x86asm.CMOVNO, x86asm.CMOVNP, x86asm.CMOVNS, x86asm.CMOVO, x86asm.CMOVP, x86asm.CMOVS:
		if src != noRegister {
			s.form, s.from = isEither, src
		}
	}
}

func mask(r int8) uint32 {
	if r == noRegister {
		return 0
	}
	return 1 << r
}

// implied are the registers that an instruction changes without naming them.
func implied(op x86asm.Op) uint32 {
	switch op {
	case x86asm.MUL, x86asm.IMUL, x86asm.DIV, x86asm.IDIV, x86asm.CQO, x86asm.CDQ, x86asm.CWD, x86asm.RDTSC, x86asm.XGETBV,
		x86asm.CBW, x86asm.CWDE, x86asm.CDQE, x86asm.CMPXCHG, x86asm.LAHF:
		return 1<<rax | 1<<rdx
	case x86asm.CPUID, x86asm.RDTSCP, x86asm.CMPXCHG16B, x86asm.CMPXCHG8B:
		return 1<<rax | 1<<rdx | 1<<rcx | 1<<rbx
	case x86asm.MOVSB, x86asm.MOVSW, x86asm.MOVSD, x86asm.MOVSQ, x86asm.STOSB, x86asm.STOSW, x86asm.STOSD, x86asm.STOSQ,
		x86asm.LODSB, x86asm.LODSW, x86asm.LODSD, x86asm.LODSQ, x86asm.SCASB, x86asm.SCASW, x86asm.SCASD, x86asm.SCASQ,
		x86asm.CMPSB, x86asm.CMPSW, x86asm.CMPSD, x86asm.CMPSQ, x86asm.RDMSR, x86asm.IN, x86asm.INSB, x86asm.INSD:
		return 1<<rax | 1<<rcx | 1<<rdx | 1<<rsi | 1<<rdi
	}
	return 0
}
