package static

import (
	"maps"
	"slices"
)

// value is what is known of a register or a place on the stack.
type value struct {
	kind valueKind
	reg  int8     // of argument and field
	n    int64    // of field, place and behind: the offset
	at   uint64   // of word and behind: the address
	set  []uint64 // of numbers: all that it may be, sorted
}

type valueKind uint8

const (
	unset    valueKind = iota // no way leads here yet
	numbers                   // one of a few
	argument                  // what the register held at the function's start
	field                     // what is in memory at such a register's value plus n
	place                     // an address on the stack, n from where the stack pointer was
	word                      // what is in the file's data at an address
	behind                    // what is in memory at such a word's value plus n
	unknown
)

// maxNumbers is how many numbers one place may hold to be told.
const maxNumbers = 16

func number(n uint64) value { return value{kind: numbers, set: []uint64{n}} }

func (v value) same(o value) bool {
	return v.kind == o.kind && v.reg == o.reg && v.n == o.n && v.at == o.at && slices.Equal(v.set, o.set)
}

// join is what is known where two ways meet.
func join(a, b value) value {
	switch {
	case a.kind == unset || a.same(b):
		return b
	case b.kind == unset:
		return a
	case a.kind == numbers && b.kind == numbers:
		set := slices.Concat(a.set, b.set)
		slices.Sort(set)
		if set = slices.Compact(set); len(set) <= maxNumbers {
			return value{kind: numbers, set: set}
		}
	}
	return value{kind: unknown}
}

// plus adds a constant.
func (v value) plus(n uint64) value {
	switch v.kind {
	case numbers:
		set := make([]uint64, len(v.set))
		for i, x := range v.set {
			set[i] = x + n
		}
		slices.Sort(set)
		return value{kind: numbers, set: set}
	case place:
		return value{kind: place, n: v.n + int64(n)}
	}
	if n == 0 {
		return v
	}
	return value{kind: unknown}
}

// byte replaces the last byte of it.
func (v value) byte(b uint64) value {
	if v.kind != numbers {
		return value{kind: unknown}
	}
	set := make([]uint64, len(v.set))
	for i, x := range v.set {
		set[i] = x&^0xff | b
	}
	slices.Sort(set)
	return value{kind: numbers, set: slices.Compact(set)}
}

// low is the lower half of it. An argument that is a number of a system call
// has nothing in the upper half.
func (v value) low() value {
	if v.kind != numbers {
		return v
	}
	set := make([]uint64, len(v.set))
	for i, x := range v.set {
		set[i] = x & 0xffffffff
	}
	slices.Sort(set)
	return value{kind: numbers, set: slices.Compact(set)}
}

// state is what is known at a point of a function.
type state struct {
	regs  [maxRegisters]value
	stack map[int64]value
	full  bool // some places were too many to be followed
}

// maxPlaces bounds the places on the stack that are followed.
const maxPlaces = 1024

func begin(abi convention) *state {
	s := &state{}
	for r := range s.regs {
		s.regs[r] = value{kind: argument, reg: int8(r)}
	}
	s.regs[abi.stack] = value{kind: place}
	return s
}

func (s *state) clone() *state {
	return &state{regs: s.regs, full: s.full, stack: maps.Clone(s.stack)}
}

// merge adds another way to here, and reports whether that changes anything.
func (s *state) merge(o *state) bool {
	changed := o.full && !s.full
	s.full = s.full || o.full
	for r := range s.regs {
		if v := join(s.regs[r], o.regs[r]); !v.same(s.regs[r]) {
			s.regs[r], changed = v, true
		}
	}
	for at, v := range s.stack {
		other, ok := o.stack[at]
		if !ok {
			other = o.unwritten(at)
		}
		if j := join(v, other); !j.same(v) {
			s.stack[at], changed = j, true
		}
	}
	for at, v := range o.stack {
		if _, ok := s.stack[at]; !ok {
			if j := join(s.unwritten(at), v); !j.same(s.unwritten(at)) {
				changed = s.write(at, j) || changed
			}
		}
	}
	return changed
}

// unwritten is what a place on the stack holds that the function has not
// written: above its own part, its caller's arguments.
func (s *state) unwritten(at int64) value {
	if at >= 0 && !s.full {
		return value{kind: field, reg: onStack, n: at}
	}
	return value{kind: unknown}
}

// onStack stands for the stack pointer at the function's start.
const onStack = -1

// load is what memory at base plus offset holds.
func (s *state) load(base value, offset int64) value {
	switch base.kind {
	case place:
		if v, ok := s.stack[base.n+offset]; ok {
			return v
		}
		return s.unwritten(base.n + offset)
	case argument:
		return value{kind: field, reg: base.reg, n: offset}
	case numbers:
		if len(base.set) == 1 {
			return value{kind: word, at: base.set[0] + uint64(offset)}
		}
	case word:
		return value{kind: behind, at: base.at, n: offset}
	}
	return value{kind: unknown}
}

func (s *state) store(base value, offset int64, v value) {
	if base.kind == place {
		s.wipe(base.n+offset, 8)
		s.write(base.n+offset, v)
	}
}

// write keeps what is at a place, if it is among those that are followed.
func (s *state) write(at int64, v value) bool {
	if _, ok := s.stack[at]; !ok && len(s.stack) >= maxPlaces {
		changed := !s.full
		s.full = true
		return changed
	}
	if s.stack == nil {
		s.stack = map[int64]value{}
	}
	s.stack[at] = v
	return true
}

// wipe forgets what is at a range of the stack.
func (s *state) wipe(at int64, width int64) {
	for a := at - 7; a < at+width; a++ {
		if _, ok := s.stack[a]; ok || a >= at && a%8 == 0 {
			s.write(a, value{kind: unknown})
		}
	}
}

// base is what the offset of a store counts from.
func (s *state) base(p *step) value {
	if p.base == noRegister {
		return number(0)
	}
	return s.regs[p.base]
}

// stored is what a store writes.
func (s *state) stored(p *step) value {
	v := number(p.value)
	if p.from != noRegister {
		v = s.regs[p.from]
	}
	if p.to32 {
		v = v.low()
	}
	return v
}

// apply does a step.
func (s *state) apply(p *step, abi convention) {
	of := func(r int8) value {
		if r == noRegister {
			return number(p.value)
		}
		return s.regs[r]
	}
	if base := s.base(p); p.wipes > 0 && base.kind == place {
		s.wipe(base.n+p.offset, int64(p.wipes))
	}
	var result value
	switch p.form {
	case isUnknown:
		result = value{kind: unknown}
	case isNumber:
		result = number(p.value)
	case isCopy:
		result = of(p.from)
	case isSum:
		result = of(p.from).plus(p.value)
	case isLoad:
		base := number(0)
		if p.from != noRegister {
			base = s.regs[p.from]
		}
		result = s.load(base, int64(p.value))
	case isByte:
		result = s.regs[p.dst].byte(p.value)
	case isEither:
		result = join(s.regs[max(p.dst, 0)], of(p.from))
	case isPush:
		v := of(p.from)
		sp := s.regs[abi.stack].plus(^uint64(7))
		s.regs[abi.stack] = sp
		s.store(sp, 0, v)
	case isPop:
		result = s.load(s.regs[abi.stack], 0)
		s.regs[abi.stack] = s.regs[abi.stack].plus(8)
	case isStore:
		s.store(s.base(p), p.offset, s.stored(p))
	}
	if p.to32 {
		result = result.low()
	}
	if p.dst != noRegister && p.form != isPush && p.form != isStore {
		s.regs[p.dst] = result
	}
	kills := p.kills
	switch p.kind {
	case call:
		kills |= abi.clobbered
	case kernel:
		kills |= abi.answered
	}
	for r := 0; kills != 0; r, kills = r+1, kills>>1 {
		if kills&1 == 1 {
			s.regs[r] = value{kind: unknown}
		}
	}
}
