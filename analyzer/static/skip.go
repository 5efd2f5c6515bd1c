package static

// skipper tells the length of instructions that lead nowhere and name no
// address, without reading them in full; 0 for all others. Most are such, and
// reading one in full takes ten times as long.
type skipper interface{ skip(code []byte) int }

// skip knows the moves, arithmetic and comparisons of registers and of memory
// that a register points to (Intel SDM, appendix A).
func (p amd64) skip(code []byte) int {
	i := 0
	if len(code) < 15 {
		return 0
	}
	if code[0] == 0x66 {
		i = 1
	}
	if code[i]&0xf0 == 0x40 {
		i++
	}
	immediate := 0
	switch op := code[i]; op {
	case 0x50, 0x51, 0x52, 0x53, 0x54, 0x55, 0x56, 0x57, 0x58, 0x59, 0x5a, 0x5b, 0x5c, 0x5d, 0x5e, 0x5f:
		return i + 1
	case 0x01, 0x03, 0x09, 0x0b, 0x21, 0x23, 0x29, 0x2b, 0x31, 0x33, 0x38, 0x39, 0x3a, 0x3b, 0x63, 0x84, 0x85, 0x88, 0x89, 0x8a, 0x8b:
	case 0x80, 0x83, 0xc0, 0xc1, 0xc6:
		immediate = 1
	case 0x8d:
		if code[i+1]>>6 == 3 {
			return 0
		}
	case 0x0f:
		i++
		switch code[i] {
		case 0x10, 0x11, 0x28, 0x29, 0x6f, 0x7f, 0xaf, 0xb6, 0xb7, 0xbe, 0xbf, 0xef:
		default:
			return 0
		}
	default:
		return 0
	}
	if code[i] == 0xc6 && code[i+1]>>3&7 != 0 {
		return 0
	}
	n := p.operand(code[i+1:])
	if n == 0 {
		return 0
	}
	return i + 1 + n + immediate
}

// operand is the length of a ModRM byte with what belongs to it; 0 where it
// may name an address: relative to the instruction, or, in a file for one
// address, as a displacement.
func (p amd64) operand(code []byte) int {
	mode, rm := code[0]>>6, code[0]&7
	n := 1
	if mode == 3 {
		return n
	}
	if rm == 4 {
		if n++; mode == 0 && code[1]&7 == 5 {
			return 0
		}
	}
	switch {
	case mode == 1:
		return n + 1
	case mode == 2 && p.m.fixed, mode == 0 && rm == 5:
		return 0
	case mode == 2:
		return n + 4
	}
	return n
}
