package static

import (
	"encoding/binary"
	"maps"
	"slices"
)

// Some system calls are made by a number that is in a word of the file's data,
// or in memory that such a word points to. glibc's setuid(2) and its kind are:
// they point a variable to what to call, for the other threads to do the same
// (nptl/nptl_setxid.c). So to write to such a word is as good as making the
// call, and the functions that do are told like those that make one.

// maxWords bounds the words that are followed in one file.
const maxWords = 16

// window is how far before a word it is looked for what may have it in it.
const window = 256

// use is a call that takes its number from a word, or from n bytes behind
// where the word points to.
type use struct {
	at     uint64 // of the word
	behind bool
	n      int64
	site   uint64 // of the call
}

// variable is a word that numbers are taken from.
type variable struct {
	uses   []use
	writes int
	broken bool // it may be written to in ways that are not followed
	// taken is the last address before the word that code takes, direct the
	// last one after that which code reads or writes itself.
	taken, direct uint64
	constant      bool // nothing can write to it
	alone         bool // a symbol says that it is no part of something larger
}

// variables are a file's, by address.
type variables map[uint64]*variable

// wants reports whether calls take a number from a word as a use says.
func (v *variable) wants(u use) bool {
	return slices.ContainsFunc(v.uses, func(o use) bool { return o.behind == u.behind && o.n == u.n })
}

// variables notes the words that functions take numbers from, and returns the
// functions that mention those that are new, or are used in a new way.
func (n *numbering) variables(work *int) []int {
	var fresh []uint64
	for _, i := range slices.Sorted(maps.Keys(n.of)) {
		for _, u := range n.of[i].uses {
			v := n.vars[u.at]
			if v == nil && len(n.vars) >= maxWords {
				continue // it stays unknown
			}
			if v == nil {
				v = n.code.variable(u.at)
				n.vars[u.at] = v
			}
			v.alone = v.alone || n.code.goVariable(i)
			if !v.wants(u) {
				v.uses = append(v.uses, u)
				if !v.broken && !v.constant {
					fresh = append(fresh, u.at)
				}
			}
		}
	}
	functions, rest := n.code.mentioning(fresh)
	for _, gap := range rest {
		// Nothing leads here, so it does nothing. But that it is what would
		// write to a word says that no other code does, by a pointer.
		idle := variables{}
		for _, at := range fresh {
			idle[at] = &variable{}
		}
		question{n.code, n.told, work, idle}.flow(&function{span: gap})
		for at, v := range idle {
			n.vars[at].writes += v.writes
		}
	}
	return functions
}

// variable looks at a word: it has to be in memory that is written to by this
// file alone, or by none, and that no pointer in the data leads to.
func (c *code) variable(at uint64) *variable {
	v := &variable{}
	writable := slices.ContainsFunc(c.writable, func(m span) bool { return m.has(at) && m.has(at+7) })
	v.constant = !writable && !c.image.code(at) && c.bytes(at, 8) != nil
	v.broken = !writable && !v.constant || len(c.pointersIn(span{max(at, 7) - 7, at + 8})) > 0
	for _, p := range c.pointers {
		v.broken = v.broken || p.to-at < 8
	}
	for _, s := range c.symbols {
		if s.function || at-s.addr >= s.size {
			continue
		}
		// What is exported another file may write to.
		v.broken = v.broken || s.exported && !v.constant
		v.alone = v.alone || s.size <= 8

	}
	return v
}

// mentioning returns the functions whose code may name an address that is that
// of a word, or a little before it, and code of the kind that is in none.
func (c *code) mentioning(words []uint64) (functions []int, rest []span) {
	if len(words) == 0 {
		return nil, nil
	}
	slices.Sort(words)
	near := &places{words, words[0] - window, words[len(words)-1] + 8}
	found, gaps := map[int]bool{}, map[span]bool{}
	for _, s := range c.segments {
		if s.exec {
			c.cpu.mentions(s, near, func(at uint64) {
				if i := find(c.functions, at); i >= 0 {
					found[i] = true
				} else {
					gaps[c.gap(s, at)] = true
				}
			})
		}
	}
	return slices.Sorted(maps.Keys(found)), slices.Collect(maps.Keys(gaps))
}

// gap is the code between two functions.
func (c *code) gap(s segment, at uint64) span {
	g, next := span{s.addr, s.end()}, c.after(at)
	if next > 0 {
		g.from = max(g.from, c.functions[next-1].to)
	}
	if next < len(c.functions) {
		g.to = min(g.to, c.functions[next].from)
	}
	return g
}

// places are addresses that code is searched for.
type places struct {
	words    []uint64 // sorted
	from, to uint64
}

// near reports whether an address is of a word, or a little before one.
func (p *places) near(addr uint64) bool { return addr-p.from < p.to-p.from && p.close(addr) }

func (p *places) close(addr uint64) bool {
	i, _ := slices.BinarySearch(p.words, addr)
	return i < len(p.words) && p.words[i]-addr <= window || i > 0 && addr-p.words[i-1] < 8
}

// watch notes what a step does to words that numbers are taken from.
func (q question) watch(a *found, s *state, p *step) {
	if len(q.vars) == 0 {
		return
	}
	if p.refers != 0 {
		q.take(p.refers)
	}
	switch {
	case p.form == isLoad && p.from == noRegister:
		q.touch(p.value)
	case p.form == isLoad && s.regs[p.from].kind == numbers:
		for _, base := range s.regs[p.from].set {
			q.touch(base + p.value)
		}
	case p.form == isSum && p.from != noRegister && s.regs[p.from].kind == numbers:
		for _, base := range s.regs[p.from].set {
			q.take(base + p.value)
		}
	}
	if base := s.base(p); base.kind == numbers && (p.form == isStore || p.wipes > 0) {
		for _, b := range base.set {
			q.write(a, s, p, b+uint64(p.offset))
		}
	}
}

// lose gives all words up: a function that may write to them was not followed.
func (q question) lose() {
	for _, v := range q.vars {
		v.broken = true
	}
}

// take notes that code takes an address: of the word itself, or of what it
// may be in.
func (q question) take(addr uint64) {
	for at, v := range q.vars {
		if addr-at < 8 {
			v.broken = true
		}
		if addr < at && at-addr <= window {
			v.taken = max(v.taken, addr)
		}
	}
}

// touch notes that code reads or writes an address itself.
func (q question) touch(addr uint64) {
	for at, v := range q.vars {
		if addr < at && at-addr <= window {
			v.direct = max(v.direct, addr)
		}
	}
}

// write notes a write.
func (q question) write(a *found, s *state, p *step, addr uint64) {
	q.touch(addr)
	width := uint64(max(p.wipes, 8))
	for at, v := range q.vars {
		switch {
		case addr >= at+8 || addr+width <= at:
		case addr != at || p.form != isStore || p.wipes > 0:
			v.broken = true
		default:
			v.writes++
			for _, u := range v.uses {
				v.broken = v.broken || !a.writes(s, p, u)
			}
		}
	}
}

// writes does for a write of a word what is done for a call, and reports
// whether it is known what is written.
func (a *found) writes(s *state, p *step, u use) bool {
	v := s.stored(p)
	if u.behind {
		if v.kind == numbers && len(v.set) == 1 && v.set[0] == 0 {
			return true // it points nowhere
		}
		v = s.load(v, u.n)
	}
	if v.kind == unknown || v.kind == place || v.kind == unset {
		return false
	}
	a.add(p.at, v, false)
	return true
}

// settle tells for all words whether they are understood. The calls of those
// that are not are unknown.
func (n *numbering) settle() {
	for _, f := range n.of {
		for _, u := range f.uses {
			v := n.vars[u.at]
			if v == nil || !v.told(n.code, u) {
				f.unknown = append(f.unknown, u.site)
				continue
			}
			if initial := n.code.word(u.at); !u.behind {
				f.numbers = append(f.numbers, initial&0xffffffff)
			}
		}
		slices.Sort(f.numbers)
		f.numbers = slices.Compact(f.numbers)
	}
}

// told reports whether all is known that is ever in a word, or behind it. A
// word that nobody writes to and that has nothing in it is written to by a
// pointer to what it is a part of; and so may be a number where the last thing
// before it that code names is something that it takes the address of.
func (v *variable) told(c *code, u use) bool {
	switch {
	case v.broken:
		return false
	case v.constant || u.behind:
		return !u.behind || v.writes > 0
	}
	return (v.writes > 0 || c.word(u.at) != 0) && (v.alone || v.taken == 0 || v.taken < v.direct)
}

// mentions finds displacements of 32 bits that lead to the places: from the
// end of the instruction, which has at most 8 more bytes, or absolute ones.
func (p amd64) mentions(s segment, to *places, found func(uint64)) {
	for i := 0; i+4 <= len(s.data); i++ {
		v := uint64(int64(int32(binary.LittleEndian.Uint32(s.data[i:]))))
		at := s.addr + uint64(i)
		if to.near(at+4+v) || to.near(at+12+v) || p.m.fixed && to.near(v) {
			found(at)
		}
	}
}

// mentions finds pages from which the places are in the reach of an offset.
func (arm64) mentions(s segment, to *places, found func(uint64)) {
	const reach = 0x8000
	for i := 0; i+4 <= len(s.data); i += 4 {
		w := binary.LittleEndian.Uint32(s.data[i:])
		if w&0x1f000000 != 0x10000000 {
			continue
		}
		at := s.addr + uint64(i)
		from, size := at+signed(w>>5&0x7ffff<<2|w>>29&3, 21), uint64(1)
		if w>>31 == 1 {
			from, size = at&^0xfff+signed(w>>5&0x7ffff<<2|w>>29&3, 21)<<12, reach
		}
		if slices.ContainsFunc(to.words, func(word uint64) bool { return word-from < size+window }) {
			found(at)
		}
	}
}
