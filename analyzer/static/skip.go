package static

import "encoding/binary"

// quick is a processor that reads most instructions as far as a sweep needs
// them, without reading them in full, which takes ten times as long: their
// size, where they lead, and the address that they name.
type quick interface {
	// glance fills the step, or reports false and leaves it to decode.
	glance(s *step, code []byte, at uint64) bool
}

// glance knows calls and jumps, and the moves, arithmetic and comparisons of
// registers and memory (Intel SDM, appendix A).
func (p amd64) glance(s *step, code []byte, at uint64) bool {
	if len(code) < 15 {
		return false
	}
	*s = step{at: at, size: 1}
	switch op := code[0]; {
	case op == 0xe8 || op == 0xe9:
		s.kind, s.size = jump, 5
		if op == 0xe8 {
			s.kind = call
		}
		s.to = at + 5 + relative(code[1:])
	case op == 0xeb:
		s.kind, s.size, s.to = jump, 2, at+2+uint64(int64(int8(code[1])))
	case op&0xf0 == 0x70:
		s.kind, s.size, s.to = branch, 2, at+2+uint64(int64(int8(code[1])))
	case op == 0x0f && code[1]&0xf0 == 0x80:
		s.kind, s.size, s.to = branch, 6, at+6+relative(code[2:])
	case op == 0xc3:
		s.kind, s.returns = stop, true
	case op == 0x90:
		s.idle = true
	case binary.LittleEndian.Uint32(code) == endbr64:
		s.size = 4
	default:
		return p.operation(s, code)
	}
	return true
}

func relative(code []byte) uint64 { return uint64(int64(int32(binary.LittleEndian.Uint32(code)))) }

// operation reads what goes on to the next instruction.
func (p amd64) operation(s *step, code []byte) bool {
	i, short, wide := 0, false, false
	if code[0] == 0x66 {
		i, short = 1, true
	}
	if code[i]&0xf0 == 0x40 {
		wide = code[i]&8 != 0
		i++
	}
	op := code[i]
	if op == 0x0f {
		i++
		o := twoBytes[code[i]]
		return o != 0 && p.operand(s, code, i+1, o, 0)
	}
	o := oneByte[op]
	switch {
	case o == 0, o&hasLong != 0 && (short || p.m.fixed):
		return false
	case op >= 0xb8 && op <= 0xbf && wide:
		return false
	case op == 0xf6 || op == 0xf7 || op == 0xff || op == 0xc6 || op == 0xc7:
		kind := code[i+1] >> 3 & 7
		switch {
		case op == 0xff && kind > 1, (op == 0xc6 || op == 0xc7) && kind != 0:
			return false
		case op == 0xf6 && kind < 2:
			o |= hasByte
		case op == 0xf7 && kind < 2 && (short || p.m.fixed):
			return false
		case op == 0xf7 && kind < 2:
			o |= hasLong
		}
	}
	immediate := 0
	if o&hasByte != 0 {
		immediate = 1
	}
	if o&hasLong != 0 {
		immediate = 4
	}
	if o&hasOperand == 0 {
		s.size = uint8(i + 1 + immediate)
		return true
	}
	return p.operand(s, code, i+1, o, immediate)
}

// operand reads a ModRM byte with what belongs to it, at i. It leaves out what
// may name an address other than relative to the instruction: in a file for
// one address, displacements.
func (p amd64) operand(s *step, code []byte, i int, o form8, immediate int) bool {
	mode, rm := code[i]>>6, code[i]&7
	n := i + 1
	switch {
	case mode == 3:
		if o&isAddress != 0 {
			return false
		}
	case mode == 0 && rm == 5:
		n += 4
		addr := s.at + uint64(n+immediate) + relative(code[i+1:])
		switch {
		case o&isAddress != 0:
			s.refers = addr
		case o&isWrite == 0:
			s.reads, s.width = addr, 8
			if o&isVector != 0 {
				return false
			}
		}
	case rm == 4:
		n++
		fallthrough
	default:
		switch {
		case mode == 1:
			n++
		case mode == 2 && p.m.fixed, rm == 4 && mode == 0 && code[i+1]&7 == 5:
			return false
		case mode == 2:
			n += 4
		}
	}
	s.size = uint8(n + immediate)
	return true
}

// form8 says what follows an operation's code, and what it does.
type form8 uint8

const (
	hasNothing form8 = 1 << iota
	hasOperand       // a ModRM byte
	hasByte          // an immediate of a byte
	hasLong          // an immediate of four bytes, two with a prefix
	isWrite          // the operand is only written to
	isAddress        // the operand's address is taken, not what is there
	isVector         // of more than a word
)

// oneByte has the operations whose code is one byte.
var oneByte = [256]form8{
	0x01: hasOperand, 0x03: hasOperand, 0x09: hasOperand, 0x0b: hasOperand, 0x21: hasOperand, 0x23: hasOperand,
	0x29: hasOperand, 0x2b: hasOperand, 0x31: hasOperand, 0x33: hasOperand,
	0x38: hasOperand, 0x39: hasOperand, 0x3a: hasOperand, 0x3b: hasOperand,
	0x04: hasByte, 0x0c: hasByte, 0x24: hasByte, 0x2c: hasByte, 0x34: hasByte, 0x3c: hasByte,
	0x05: hasLong, 0x0d: hasLong, 0x25: hasLong, 0x2d: hasLong, 0x35: hasLong, 0x3d: hasLong,
	0x50: hasNothing, 0x51: hasNothing, 0x52: hasNothing, 0x53: hasNothing, 0x54: hasNothing, 0x55: hasNothing, 0x56: hasNothing, 0x57: hasNothing,
	0x58: hasNothing, 0x59: hasNothing, 0x5a: hasNothing, 0x5b: hasNothing, 0x5c: hasNothing, 0x5d: hasNothing, 0x5e: hasNothing, 0x5f: hasNothing,
	0x63: hasOperand, 0x69: hasOperand | hasLong, 0x6b: hasOperand | hasByte,
	0x80: hasOperand | hasByte, 0x81: hasOperand | hasLong, 0x83: hasOperand | hasByte,
	0x84: hasOperand, 0x85: hasOperand, 0x88: hasOperand | isWrite, 0x89: hasOperand | isWrite, 0x8a: hasOperand, 0x8b: hasOperand,
	0x8d: hasOperand | isAddress, 0xa8: hasByte, 0xa9: hasLong,
	0xb0: hasByte, 0xb1: hasByte, 0xb2: hasByte, 0xb3: hasByte, 0xb4: hasByte, 0xb5: hasByte, 0xb6: hasByte, 0xb7: hasByte,
	0xb8: hasLong, 0xb9: hasLong, 0xba: hasLong, 0xbb: hasLong, 0xbc: hasLong, 0xbd: hasLong, 0xbe: hasLong, 0xbf: hasLong,
	0xc0: hasOperand | hasByte, 0xc1: hasOperand | hasByte, 0xc6: hasOperand | hasByte | isWrite, 0xc7: hasOperand | hasLong | isWrite,
	0xd1: hasOperand, 0xd3: hasOperand, 0xf6: hasOperand, 0xf7: hasOperand, 0xff: hasOperand,
}

// twoBytes has those whose code is 0x0f and another.
var twoBytes = [256]form8{
	0x10: hasOperand | isVector, 0x11: hasOperand | isVector, 0x28: hasOperand | isVector, 0x29: hasOperand | isVector,
	0x54: hasOperand | isVector, 0x57: hasOperand | isVector, 0x6f: hasOperand | isVector, 0x7f: hasOperand | isVector, 0xef: hasOperand | isVector,
	0x40: hasOperand, 0x41: hasOperand, 0x42: hasOperand, 0x43: hasOperand, 0x44: hasOperand, 0x45: hasOperand, 0x46: hasOperand, 0x47: hasOperand,
	0x48: hasOperand, 0x49: hasOperand, 0x4a: hasOperand, 0x4b: hasOperand, 0x4c: hasOperand, 0x4d: hasOperand, 0x4e: hasOperand, 0x4f: hasOperand,
	0x90: hasOperand, 0x91: hasOperand, 0x92: hasOperand, 0x93: hasOperand, 0x94: hasOperand, 0x95: hasOperand, 0x96: hasOperand, 0x97: hasOperand,
	0x98: hasOperand, 0x99: hasOperand, 0x9a: hasOperand, 0x9b: hasOperand, 0x9c: hasOperand, 0x9d: hasOperand, 0x9e: hasOperand, 0x9f: hasOperand,
	0xaf: hasOperand, 0xb6: hasOperand, 0xb7: hasOperand, 0xbe: hasOperand, 0xbf: hasOperand,
}
