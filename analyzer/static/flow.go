package static

import (
	"slices"
)

// Bounds of one function's analysis; what is beyond them is unknown.
const (
	maxSteps  = 1 << 16
	maxRounds = 1 << 14
	maxWork   = 1 << 28 // of a file: some seconds
)

// source says where a function's caller gives it a number: in an argument's
// register, in memory that one points to, or on the stack.
type source struct {
	kind valueKind // argument or field
	reg  int8
	n    int64
}

// found is what a function's system calls are.
type found struct {
	numbers []uint64
	sources []source // numbers that its callers give
	unknown []uint64 // addresses of instructions with a number nobody can tell
	strings []uint64 // addresses of names that are looked up
	uses    []use    // numbers that are in the file's data
}

// question tells which steps of a function matter: those that end in the
// kernel, and calls of functions that make the call that they are told to.
type question struct {
	code *code
	// told returns what a call's or jump's target takes numbers from, and
	// whether they are addresses of names rather.
	told func(s *step) (sources []source, names bool)
	// work is what may still be done in the file, in steps; it is counted
	// down, and when it is used up everything is unknown.
	work *int
	// vars are words of the data that numbers are taken from.
	vars variables
}

// flow follows what is known through the function, and answers for each step
// that matters.
func (q question) flow(f *function) found {
	steps, ok := q.steps(f)
	var a found
	if !ok {
		q.lose()
		for i := range steps {
			if steps[i].kind == kernel {
				a.unknown = append(a.unknown, steps[i].at)
			} else if sources, _ := q.told(&steps[i]); len(sources) > 0 {
				a.unknown = append(a.unknown, steps[i].at)
			}
		}
		return a
	}
	abi := q.code.abi(f)
	blocks := q.solve(f, steps, abi)
	for _, b := range blocks {
		if b.in == nil {
			continue // padding
		}
		s := b.in.clone()
		for i := b.from; i < b.to; i++ {
			q.watch(&a, s, &steps[i])
			if leaves := steps[i].kind == call || !f.has(steps[i].to); leaves {
				q.ask(&a, s, &steps[i], abi)
			}
			s.apply(&steps[i], abi)
		}
	}
	slices.Sort(a.numbers)
	a.numbers = slices.Compact(a.numbers)
	return a
}

// steps reads a function whole, or says that it is too long.
func (q question) steps(f *function) ([]step, bool) {
	text := q.code.tail(f.from)
	var steps []step
	for at := f.from; at < f.to; {
		var s step
		q.code.cpu.decode(&s, text[at-f.from:], at)
		if s.kind == call {
			t := q.code.leads(&s)
			s.last = t.function >= 0 && q.code.functions[t.function].final()
		}
		steps = append(steps, s)
		at += uint64(s.size)
	}
	*q.work -= len(steps)
	return steps, len(steps) <= maxSteps && *q.work > 0
}

// block is a run of steps that is entered at its first one alone.
type block struct {
	from, to int
	in       *state
	queued   bool
}

// solve finds what is known at the start of each block. Blocks that nothing
// jumps to directly are those of jump tables: there, all is unknown but the
// stack pointer.
func (q question) solve(f *function, steps []step, abi convention) []block {
	index := func(addr uint64) (int, bool) {
		return slices.BinarySearchFunc(steps, addr, func(s step, a uint64) int {
			switch {
			case s.at < a:
				return -1
			case s.at > a:
				return 1
			}
			return 0
		})
	}
	blocks, of := split64(steps, index)
	blocks[0].in, blocks[0].queued = begin(abi), true
	left := q.settle(steps, blocks, of, index, abi, 0, maxRounds)
	for i := range blocks {
		if blocks[i].in == nil && !padding(steps[blocks[i].from:blocks[i].to]) {
			blocks[i].in, blocks[i].queued = nowhere(), true
			left = q.settle(steps, blocks, of, index, abi, i, left)
		}
	}
	if left <= 0 {
		q.lose()
		for i := range blocks {
			blocks[i].in = nowhere()
		}
	}
	return blocks
}

// settle works through the queued blocks, in the order of the code from one
// on, until
// nothing changes any more, and returns what is left of the rounds.
func (q question) settle(steps []step, blocks []block, of []int32, index func(uint64) (int, bool), abi convention, from, rounds int) int {
	for again := true; again; from = 0 {
		again = false
		for at := from; at < len(blocks); at++ {
			b := &blocks[at]
			if !b.queued {
				continue
			}
			*q.work -= b.to - b.from + len(b.in.stack) + maxRegisters
			if rounds--; rounds <= 0 || *q.work <= 0 {
				return 0
			}
			b.queued = false
			s := b.in.clone()
			for i := b.from; i < b.to; i++ {
				s.apply(&steps[i], abi)
			}
			zero, at0 := tested(steps[b.from:b.to])
			for _, next := range follow(steps, b, of, index) {
				t, s := &blocks[next], s
				if at0 == steps[t.from].at {
					s = s.clone()
					s.regs[zero] = number(0)
				}
				if t.in == nil {
					t.in = s.clone()
				} else if !t.in.merge(s) {
					continue
				}
				t.queued = true
				again = again || next <= at
			}
		}
	}
	return rounds
}

// tested returns the register that is 0 where the branch at the end of a block
// leads one of its two ways, and the start of that way; or 0.
func tested(steps []step) (register int8, zero uint64) {
	last := &steps[len(steps)-1]
	if last.zero == neither || last.to == last.next() {
		return noRegister, 0
	}
	to := last.to
	if last.zero == next {
		to = last.next()
	}
	for i := len(steps) - 1; i >= 0; i-- {
		p := &steps[i]
		if p.form == isTested {
			for _, between := range steps[i+1:] {
				if between.dst == p.from || between.kills>>p.from&1 == 1 {
					return noRegister, 0
				}
			}
			return p.from, to
		}
		// Of what may be between, loads and stores leave the flags alone.
		if i < len(steps)-1 && p.form != isLoad && p.form != isStore && (p.form != isCopy || p.from == p.dst) {
			break
		}
	}
	return noRegister, 0
}

// padding reports whether steps do nothing and lead nowhere but on.
func padding(steps []step) bool {
	for i := range steps {
		if !steps[i].idle {
			return false
		}
	}
	return true
}

// nowhere is where nothing is known.
func nowhere() *state {
	s := &state{}
	for r := range s.regs {
		s.regs[r] = value{kind: unknown}
	}
	return s
}

// split64 cuts steps into blocks, and tells for each step its block.
func split64(steps []step, index func(uint64) (int, bool)) ([]block, []int32) {
	starts := make([]bool, len(steps)+1)
	starts[0] = true
	for i := range steps {
		switch {
		case steps[i].last:
			starts[i+1] = true
		case steps[i].kind == jump, steps[i].kind == branch, steps[i].kind == stop:
			starts[i+1] = true
			if t, ok := index(steps[i].to); ok && steps[i].to != 0 {
				starts[t] = true
			}
		}
	}
	var blocks []block
	of := make([]int32, len(steps))
	for i := range steps {
		if starts[i] {
			blocks = append(blocks, block{from: i})
		}
		blocks[len(blocks)-1].to = i + 1
		of[i] = int32(len(blocks) - 1)
	}
	return blocks, of
}

// follow returns the blocks that come after one.
func follow(steps []step, b *block, of []int32, index func(uint64) (int, bool)) []int {
	last := &steps[b.to-1]
	var next []int
	if last.kind == jump || last.kind == branch {
		if t, ok := index(last.to); ok && last.to != 0 {
			next = append(next, int(of[t]))
		}
	}
	if last.kind != jump && last.kind != stop && !last.last && b.to < len(steps) {
		next = append(next, int(of[b.to]))
	}
	return next
}

// ask answers for one step.
func (q question) ask(a *found, s *state, p *step, abi convention) {
	if p.kind == kernel {
		a.add(p.at, s.regs[abi.number], false)
		return
	}
	if p.kind == plain || p.kind == stop {
		return
	}
	sources, names := q.told(p)
	for _, from := range sources {
		a.add(p.at, s.given(from, p, abi), names)
	}
}

// given is what a callee finds where it takes a number from.
func (s *state) given(from source, p *step, abi convention) value {
	if from.reg == onStack {
		pushed := int64(0)
		if p.kind == call {
			pushed = abi.pushed
		}
		return s.load(s.regs[abi.stack], from.n-pushed)
	}
	v := s.regs[from.reg]
	if from.kind == field {
		v = s.load(v, from.n)
	}
	return v
}

func (a *found) add(at uint64, v value, names bool) {
	switch v.kind {
	case numbers:
		if names {
			a.strings = append(a.strings, v.set...)
		} else {
			a.numbers = append(a.numbers, v.set...)
		}
	case argument, field:
		if from := (source{v.kind, v.reg, v.n}); !names {
			if !slices.Contains(a.sources, from) {
				a.sources = append(a.sources, from)
			}
		}
	case word, behind:
		if u := (use{v.at, v.kind == behind, v.n, at}); !names && !slices.Contains(a.uses, u) {
			a.uses = append(a.uses, u)
		}
	default:
		if !names {
			a.unknown = append(a.unknown, at)
		}
	}
}
