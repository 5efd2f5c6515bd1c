package static

import (
	"encoding/binary"
	"math/bits"
)

// arm64 reads the machine code of AArch64 (Arm ARM, C4). Every instruction is
// a word, and those that matter are told by a few masks; x/arch's arm64asm,
// which tries its formats one after another, is what the test compares with.
type arm64 struct{}

const sp64 = 31

// convention is that of the AAPCS64 and of the kernel (syscall(2)).
func (arm64) convention() convention {
	return convention{
		stack: sp64, number: 8, arguments: []int8{0, 1, 2, 3, 4, 5, 6, 7},
		clobbered: 0x7ffff | 1<<30, answered: 1,
	}
}

// stub knows the jumps of procedure linkage tables: adrp x16, ldr x17, add
// x16, br x17, also after bti.
func (p arm64) stub(code []byte, at uint64) (uint64, bool) {
	var s step
	page := uint64(0)
	slot := uint64(0)
	for i := 0; i < 20 && i+4 <= len(code); i += 4 {
		p.decode(&s, code[i:], at+uint64(i))
		switch {
		case s.form == isNumber && s.dst == 16:
			page = s.value
		case s.form == isLoad && s.dst == 17 && s.from == 16 && page != 0:
			slot = page + s.value
		case s.kind == jump && s.to == 0:
			return slot, slot != 0
		case s.kind != plain || i > 0 && page == 0:
			return 0, false
		}
	}
	return 0, false
}

func signed(v uint32, bits int) uint64 {
	return uint64(int64(int32(v<<(32-bits)) >> (32 - bits)))
}

func (arm64) decode(s *step, code []byte, at uint64) {
	*s = step{at: at, size: 4, dst: noRegister, from: noRegister, base: noRegister}
	if len(code) < 4 {
		s.size, s.kind = uint8(max(len(code), 1)), stop
		return
	}
	w := binary.LittleEndian.Uint32(code)
	switch op := w >> 25 & 0xf; {
	case op == 0xa || op == 0xb:
		branches64(s, w)
	case op == 0x8 || op == 0x9:
		immediates64(s, w)
	case op&0x5 == 0x4:
		memory64(s, w)
	case op&0x7 == 0x5:
		registers64(s, w)
	case w>>16 == 0:
		s.kind = stop // udf
	}
	if s.dst == sp64 && s.form != isSum && s.form != isCopy {
		s.dst, s.form = noRegister, isUnknown // the zero register
	}
}

// branches64 reads branches, exceptions and system instructions.
func branches64(s *step, w uint32) {
	switch {
	case w&0x7c000000 == 0x14000000: // b, bl
		s.kind, s.to = jump, s.at+signed(w, 26)<<2
		if w>>31 == 1 {
			s.kind = call
		}
	case w&0xfe000000 == 0x54000000, w&0x7e000000 == 0x34000000: // b.cond, cbz, cbnz
		s.kind, s.to = branch, s.at+signed(w>>5, 19)<<2
		if w&0x40000000 == 0 && w&31 != 31 {
			s.form, s.from, s.zero = isTested, int8(w&31), there
			if w>>24&1 == 1 {
				s.zero = next
			}
		}
	case w&0x7e000000 == 0x36000000: // tbz
		s.kind, s.to = branch, s.at+signed(w>>5, 14)<<2
	case w&0xfe000000 == 0xd6000000:
		switch w >> 21 & 0x7 { // with and without pointer authentication
		case 0:
			s.kind = jump
		case 1:
			s.kind = call
		default:
			s.kind, s.returns = stop, true
		}
	case w&0xffe0001f == 0xd4000001: // svc
		s.kind = kernel
	case w&0xffe0001f == 0xd4200000: // brk
		s.kind = stop
	case w == 0xd503201f:
		s.idle = true
	case w&0xfff00000 == 0xd5300000: // mrs
		s.dst = int8(w & 31)
	}
}

// immediates64 reads arithmetic with constants.
func immediates64(s *step, w uint32) {
	rd, rn := int8(w&31), int8(w>>5&31)
	s.dst, s.to32 = rd, w>>31 == 0
	switch {
	case w&0x1f000000 == 0x10000000: // adr, adrp
		offset := signed(w>>5&0x7ffff<<2|w>>29&3, 21)
		s.form, s.to32 = isNumber, false
		if w>>31 == 1 {
			s.value = s.at&^0xfff + offset<<12
		} else {
			s.value, s.refers = s.at+offset, s.at+offset
		}
	case w&0x1f800000 == 0x11000000: // add, sub
		if w>>29&1 == 1 && rd == 31 {
			s.dst = noRegister // cmp
			return
		}
		s.form, s.from, s.value = isSum, rn, uint64(w>>10&0xfff)<<(12*(w>>22&1))
		if w>>30&1 == 1 {
			s.value = -s.value
		}
	case w&0x1f800000 == 0x12800000: // movn, movz, movk
		shift := 16 * (w >> 21 & 3)
		value := uint64(w>>5&0xffff) << shift
		switch w >> 29 & 3 {
		case 0:
			s.form, s.value = isNumber, ^value
		case 2:
			s.form, s.value = isNumber, value
		}
	case w&0x7f800000 == 0x32000000 && rn == 31: // mov of a pattern of bits
		s.form, s.value = isNumber, pattern64(w>>22&1, w>>16&0x3f, w>>10&0x3f)
	}
}

// pattern64 expands the immediate of logical instructions: a run of ones,
// rotated, in an element that is repeated (Arm ARM, DecodeBitMasks).
func pattern64(n, rotation, size uint32) uint64 {
	length := bits.Len32(n<<6|^size&0x3f) - 1
	if length < 1 {
		return 0
	}
	width := uint32(1) << length
	ones, by := size&(width-1), rotation&(width-1)
	element := uint64(1)<<(ones+1) - 1
	element = element>>by | element<<(width-by)
	if width < 64 {
		element &= 1<<width - 1
	}
	for ; width < 64; width *= 2 {
		element |= element << width
	}
	return element
}

// registers64 reads arithmetic with registers, of which a move is one.
func registers64(s *step, w uint32) {
	s.dst, s.to32 = int8(w&31), w>>31 == 0
	rm := int8(w >> 16 & 31)
	switch {
	case w&0x7fe0ffe0 == 0x2a0003e0: // mov
		if rm == 31 {
			s.form, s.value = isNumber, 0
		} else {
			s.form, s.from = isCopy, rm
		}
	case w&0x7fe00c00 == 0x1a800000: // csel
		// Either of two: as a copy of the one, or of the other.
		if rn := int8(w >> 5 & 31); rn == s.dst && rm != 31 {
			s.form, s.from = isEither, rm
		} else if rm == s.dst && rn != 31 {
			s.form, s.from = isEither, rn
		}
	case w&0x5f000000 == 0x4b000000 && w&31 == 31, w&0x7fe00c10 == 0x7a400000: // cmp, ccmp
		s.dst = noRegister
	}
}

// memory64 reads loads and stores. What it does not know in detail makes the
// registers that it may name unknown.
func memory64(s *step, w uint32) {
	rt, rn, rt2 := int8(w&31), int8(w>>5&31), int8(w>>10&31)
	vector := w>>26&1 == 1
	load := func(offset uint64) { s.form, s.dst, s.from, s.value = isLoad, rt, rn, offset }
	store := func(offset uint64) {
		s.form, s.from, s.base, s.offset = isStore, rt, rn, int64(offset)
		if rt == 31 {
			s.from = noRegister
		}
	}
	switch {
	case w&0xff000000 == 0x58000000: // ldr literal
		s.dst, s.reads, s.width = rt, s.at+signed(w>>5, 19)<<2, 8
	case w&0xbfc00000 == 0xb9400000: // ldr [rn, #imm]
		load(uint64(w>>10&0xfff) << (w >> 30))
		s.to32, s.width = w>>30 == 2, 8
	case w&0xffc00000 == 0xb9800000: // ldrsw; of a number that is 32 bits the upper half is nothing
		load(uint64(w>>10&0xfff) << 2)
		s.to32, s.width = true, 8
	case w&0xbfc00000 == 0xb9000000: // str
		store(uint64(w>>10&0xfff) << (w >> 30))
		s.to32 = w>>30 == 2
	case w&0xbfe00c00 == 0xb8400000: // ldur
		load(signed(w>>12, 9))
		s.to32, s.width = w>>30 == 2, 8
	case w&0xbfe00c00 == 0xb8000000: // stur
		store(signed(w>>12, 9))
		s.to32 = w>>30 == 2
	case w&0xffc00000 == 0x3dc00000: // ldr q
		s.form, s.from, s.value, s.width = isLoad, rn, uint64(w>>10&0xfff)<<4, 16
	case w&0xffc00000 == 0xfd400000: // ldr d
		s.form, s.from, s.value, s.width = isLoad, rn, uint64(w>>10&0xfff)<<3, 8
	case w&0xfe400000 == 0xa8000000 || w&0xfe400000 == 0xa8400000: // stp, ldp of x
		pair64(s, w)
	case w&0x3b200c00 == 0x38000400, w&0x3b200c00 == 0x38000c00: // one, and the base moves
		s.kills = mask(rn)
		if w>>22&1 == 0 {
			s.wipes, s.base = 16, rn
			if pre := w>>11&1 == 1; pre {
				s.offset = int64(signed(w>>12, 9))
			}
		}
		if !vector {
			s.kills |= mask(rt)
		}
		if rn == sp64 {
			s.kills &^= 1 << sp64
			s.form, s.dst, s.from, s.value = isSum, sp64, sp64, signed(w>>12, 9)
		}
	case w&0x3b000000 == 0x39000000, w&0x3b200c00 == 0x38200800, w&0x3b200c00 == 0x38000000:
		if !vector {
			s.kills = mask(rt)
		}
	case vector && w&0x3b400000 == 0x39000000: // str of a vector
		s.base, s.offset, s.wipes = rn, int64(w>>10&0xfff)<<(w>>30), 16
	case vector && w&0x3f400000 == 0x2d000000: // stp of vectors
		s.base, s.offset, s.wipes = rn, int64(signed(w>>15, 7))<<(2+w>>30), 32
	default:
		if !vector {
			s.kills = mask(rt) | mask(rt2) | mask(int8(w>>16&31))
		}
	}
	s.kills &^= 1 << sp64
}

// pair64 reads the pairs by which functions save registers: of a stored one
// the first is kept.
func pair64(s *step, w uint32) {
	rt, rn, rt2 := int8(w&31), int8(w>>5&31), int8(w>>10&31)
	offset := signed(w>>15, 7) << 3
	if w>>22&1 == 1 {
		s.kills = mask(rt) | mask(rt2)
		s.form, s.from, s.value, s.width = isLoad, rn, offset, 16
	} else {
		s.wipes, s.base = 16, rn
		if post := w>>23&3 == 1; !post {
			s.offset = int64(offset)
		}
	}
	switch mode := w >> 23 & 3; {
	case mode == 2 && w>>22&1 == 0:
		s.form, s.base, s.offset, s.from = isStore, rn, int64(offset), rt
		if rt == 31 {
			s.from = noRegister
		}
	case mode == 2:
		s.dst, s.kills = rt, mask(rt2)
	case rn == sp64:
		s.form, s.dst, s.from, s.value = isSum, sp64, sp64, offset
	default:
		s.kills |= mask(rn)
	}
}
