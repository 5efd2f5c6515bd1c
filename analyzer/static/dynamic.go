package static

import (
	"cmp"
	"debug/elf"
	"encoding/binary"
	"fmt"
	"math/bits"
	"slices"
)

// dynamic is what the dynamic loader is told (elf(5), .dynamic).
type dynamic struct {
	present bool
	needed  []string
	paths   []string // DT_RPATH and DT_RUNPATH
	soname  string
	starts  []uint64 // functions called at the start and the end
	imports []imported
	relocs  []reloc // by address
}

// imported is a symbol that the loader looks for in the files that it has
// loaded, in order.
type imported struct {
	Name   string `json:"name"`
	Weak   bool   `json:"weak,omitempty"`   // may be missing
	Others bool   `json:"others,omitempty"` // not this file's own: it has a copy
}

// symbol is a defined one. Exported ones are what other files can ask for.
type symbol struct {
	name       string
	addr, size uint64
	function   bool
	exported   bool
}

// reloc is a word that the loader fills: with the address of an import, or
// with one in this file.
type reloc struct {
	at     uint64
	to     uint64
	symbol int // index of the import, or -1
}

// tags are the values of .dynamic, the first of each; lists are those that
// may come more than once.
type tags struct {
	one    map[elf.DynTag]uint64
	needed []uint64
	paths  []uint64
}

func (m *image) readDynamic(e *elf.File) error {
	var t tags
	for _, p := range e.Progs {
		if p.Type != elf.PT_DYNAMIC {
			continue
		}
		t = m.tags(p.Vaddr, p.Filesz)
	}
	if len(t.one) == 0 {
		return nil
	}
	d := &m.dynamic
	d.present = true
	name := func(offset uint64) string {
		s, _ := m.text(t.one[elf.DT_STRTAB]+offset, 4096)
		return s
	}
	for _, n := range t.needed {
		d.needed = append(d.needed, name(n))
	}
	for _, n := range t.paths {
		d.paths = append(d.paths, name(n))
	}
	if at, ok := t.one[elf.DT_SONAME]; ok {
		d.soname = name(at)
	}
	undefined, err := m.readSymbols(t, name)
	if err != nil {
		return err
	}
	if err := m.readRelocs(t, undefined); err != nil {
		return err
	}
	slices.SortFunc(d.relocs, func(a, b reloc) int { return cmp.Compare(a.at, b.at) })
	m.readStarts(t)
	return nil
}

func (m *image) tags(addr, size uint64) tags {
	t := tags{one: map[elf.DynTag]uint64{}}
	b := m.tail(addr)
	b = b[:min(uint64(len(b)), size, 1<<16)]
	for ; len(b) >= 16; b = b[16:] {
		tag, value := elf.DynTag(binary.LittleEndian.Uint64(b)), binary.LittleEndian.Uint64(b[8:])
		switch tag {
		case elf.DT_NULL:
			return t
		case elf.DT_NEEDED:
			t.needed = append(t.needed, value)
		case elf.DT_RPATH, elf.DT_RUNPATH:
			t.paths = append(t.paths, value)
		default:
			if _, ok := t.one[tag]; !ok {
				t.one[tag] = value
			}
		}
	}
	return t
}

// readSymbols reads the dynamic symbols: defined ones into m.symbols,
// undefined ones into the imports. It returns for each symbol the index of
// its import, or -1.
func (m *image) readSymbols(t tags, name func(uint64) string) ([]symbolRef, error) {
	n := m.symbolCount(t)
	if n > maxSymbols {
		return nil, fmt.Errorf("%d symbols: %w", n, errTooLarge)
	}
	table := m.tail(t.one[elf.DT_SYMTAB])
	refs := make([]symbolRef, 0, min(n, uint64(len(table)/24)))
	for i := uint64(0); i < n && len(table) >= 24; i, table = i+1, table[24:] {
		s := symbol{
			name: name(uint64(binary.LittleEndian.Uint32(table))),
			addr: binary.LittleEndian.Uint64(table[8:]), size: binary.LittleEndian.Uint64(table[16:]),
			exported: true,
		}
		info, section := table[4], binary.LittleEndian.Uint16(table[6:])
		kind := elf.ST_TYPE(info)
		ref := symbolRef{addr: s.addr, imported: -1}
		switch {
		case i == 0 || kind == elf.STT_TLS || kind == elf.STT_SECTION || kind == elf.STT_FILE:
		case section == uint16(elf.SHN_UNDEF):
			ref.imported = len(m.dynamic.imports)
			m.dynamic.imports = append(m.dynamic.imports, imported{Name: s.name, Weak: elf.ST_BIND(info) == elf.STB_WEAK})
		case section != uint16(elf.SHN_ABS) || m.segmentOf(s.addr) != nil:
			s.function = m.code(s.addr)
			m.symbols = append(m.symbols, s)
			ref.name = s.name
		}
		refs = append(refs, ref)
	}
	return refs, nil
}

// symbolRef is what a relocation gets that names a symbol.
type symbolRef struct {
	name     string // of a defined one
	addr     uint64
	imported int
}

// symbolCount tells how many dynamic symbols there are. The size of the table
// is nowhere written but in the section headers and the tables to find
// symbols by; DT_GNU_HASH's ends with its longest chain.
func (m *image) symbolCount(t tags) uint64 {
	if at, ok := t.one[elf.DT_HASH]; ok {
		if b := m.bytes(at, 8); b != nil {
			return uint64(binary.LittleEndian.Uint32(b[4:]))
		}
	}
	most := uint64(0)
	if at, ok := t.one[elf.DT_GNU_HASH]; ok {
		most = m.gnuHashCount(at)
	}
	// Symbols that are only imported may not be in it: relocations tell.
	symbols, strings := t.one[elf.DT_SYMTAB], t.one[elf.DT_STRTAB]
	if strings > symbols {
		// Every linker puts the strings after the symbols.
		most = max(most, min((strings-symbols)/24, maxSymbols))
	}
	return most
}

func (m *image) gnuHashCount(at uint64) uint64 {
	h := m.bytes(at, 16)
	if h == nil {
		return 0
	}
	buckets, offset, bloom := uint64(binary.LittleEndian.Uint32(h)), uint64(binary.LittleEndian.Uint32(h[4:])), uint64(binary.LittleEndian.Uint32(h[8:]))
	table := m.bytes(at+16+8*bloom, 4*buckets)
	last := uint64(0)
	for ; len(table) >= 4; table = table[4:] {
		last = max(last, uint64(binary.LittleEndian.Uint32(table)))
	}
	if last < offset || last == 0 {
		return offset
	}
	chain := m.tail(at + 16 + 8*bloom + 4*buckets + 4*(last-offset))
	for ; len(chain) >= 4; chain = chain[4:] {
		last++
		if chain[0]&1 != 0 || last > maxSymbols {
			break
		}
	}
	return last
}

// readRelocs reads the tables of relocations: those with addends, those of
// stubs, and DT_RELR. The formats DT_REL and Android's packed ones are not in
// use on these architectures.
func (m *image) readRelocs(t tags, symbols []symbolRef) error {
	for _, table := range []struct{ at, size elf.DynTag }{
		{elf.DT_RELA, elf.DT_RELASZ}, {elf.DT_JMPREL, elf.DT_PLTRELSZ}, //nolint:misspell // ELF's name
	} {
		b := m.tail(t.one[table.at])
		b = b[:min(uint64(len(b)), t.one[table.size])]
		if t.one[table.at] == 0 {
			continue
		}
		for ; len(b) >= 24; b = b[24:] {
			if len(m.dynamic.relocs) > maxRelocs {
				return fmt.Errorf("relocations: %w", errTooLarge)
			}
			m.relocate(binary.LittleEndian.Uint64(b), binary.LittleEndian.Uint64(b[8:]), binary.LittleEndian.Uint64(b[16:]), symbols)
		}
	}
	return m.readRelr(t)
}

func (m *image) relocate(at, info, addend uint64, symbols []symbolRef) {
	r := reloc{at: at, symbol: -1}
	kind, index := uint32(info), info>>32
	relative, copied, ignored := false, false, false
	if m.arch == "amd64" {
		k := elf.R_X86_64(kind)
		relative = k == elf.R_X86_64_RELATIVE || k == elf.R_X86_64_IRELATIVE || k == elf.R_X86_64_RELATIVE64
		copied = k == elf.R_X86_64_COPY
		ignored = k == elf.R_X86_64_DTPMOD64 || k == elf.R_X86_64_DTPOFF64 || k == elf.R_X86_64_TPOFF64 || k == elf.R_X86_64_NONE
	} else {
		k := elf.R_AARCH64(kind)
		relative = k == elf.R_AARCH64_RELATIVE || k == elf.R_AARCH64_IRELATIVE
		copied = k == elf.R_AARCH64_COPY
		ignored = k == elf.R_AARCH64_TLS_DTPMOD64 || k == elf.R_AARCH64_TLS_DTPREL64 || k == elf.R_AARCH64_TLS_TPREL64 || k == elf.R_AARCH64_NULL
	}
	switch {
	case ignored:
		return
	case relative:
		r.to = addend
	case index < uint64(len(symbols)):
		s := symbols[index]
		r.symbol = s.imported
		if s.imported < 0 && s.name != "" {
			// What this file defines another may define before it. And of a
			// library's data that a program has a copy of, what is in it is
			// the library's.
			r.symbol = len(m.dynamic.imports)
			m.dynamic.imports = append(m.dynamic.imports, imported{Name: s.name, Weak: true, Others: copied})
		}
		if s.imported < 0 && !copied {
			r.to = s.addr + addend
		}
	default:
		return // it names no symbol
	}
	m.dynamic.relocs = append(m.dynamic.relocs, r)
}

// dtRelr and dtRelrSize are DT_RELR and DT_RELRSZ, which debug/elf lacks: a
// list of addresses, each followed by bits for the 63 words after it.
const (
	dtRelrSize = elf.DynTag(35)
	dtRelr     = elf.DynTag(36)
)

func (m *image) readRelr(t tags) error {
	at, ok := t.one[dtRelr]
	if !ok {
		return nil
	}
	b := m.tail(at)
	b = b[:min(uint64(len(b)), t.one[dtRelrSize])]
	next := uint64(0)
	relative := func(at uint64) {
		m.dynamic.relocs = append(m.dynamic.relocs, reloc{at: at, to: m.word(at), symbol: -1})
	}
	for ; len(b) >= 8; b = b[8:] {
		if len(m.dynamic.relocs) > maxRelocs {
			return fmt.Errorf("relocations: %w", errTooLarge)
		}
		entry := binary.LittleEndian.Uint64(b)
		if entry&1 == 0 {
			relative(entry)
			next = entry + 8
			continue
		}
		for set := entry >> 1; set != 0; set &= set - 1 {
			relative(next + 8*uint64(bits.TrailingZeros64(set)))
		}
		next += 8 * 63
	}
	return nil
}

// readStarts finds what the loader calls at the start and the end.
func (m *image) readStarts(t tags) {
	for _, tag := range []elf.DynTag{elf.DT_INIT, elf.DT_FINI} {
		if at, ok := t.one[tag]; ok {
			m.dynamic.starts = append(m.dynamic.starts, at)
		}
	}
	for _, table := range []struct{ at, size elf.DynTag }{
		{elf.DT_PREINIT_ARRAY, elf.DT_PREINIT_ARRAYSZ}, {elf.DT_INIT_ARRAY, elf.DT_INIT_ARRAYSZ}, {elf.DT_FINI_ARRAY, elf.DT_FINI_ARRAYSZ},
	} {
		at, ok := t.one[table.at]
		if !ok {
			continue
		}
		end := at + min(t.one[table.size], 1<<20)
		i, _ := slices.BinarySearchFunc(m.dynamic.relocs, at, func(r reloc, a uint64) int { return cmp.Compare(r.at, a) })
		for ; i < len(m.dynamic.relocs) && m.dynamic.relocs[i].at < end; i++ {
			m.dynamic.starts = append(m.dynamic.starts, m.dynamic.relocs[i].to)
		}
		if m.fixed {
			for ; at < end; at += 8 {
				m.dynamic.starts = append(m.dynamic.starts, m.word(at))
			}
		}
	}
}

// addSymbols adds those that only debuggers need, where a file has them.
func (m *image) addSymbols(e *elf.File) {
	if s := e.SectionByType(elf.SHT_SYMTAB); s != nil && s.Size < 24*maxSymbols {
		if table, err := e.Symbols(); err == nil {
			for _, s := range table {
				kind := elf.ST_TYPE(s.Info)
				if s.Section == elf.SHN_UNDEF || s.Section >= elf.SHN_LORESERVE || kind == elf.STT_TLS || kind == elf.STT_FILE || kind == elf.STT_SECTION {
					continue
				}
				if kind == elf.STT_NOTYPE && s.Size == 0 {
					continue // a mapping symbol or a label
				}
				m.symbols = append(m.symbols, symbol{name: s.Name, addr: s.Value, size: s.Size, function: m.code(s.Value)})
			}
		}
	}
	slices.SortStableFunc(m.symbols, func(a, b symbol) int { return cmp.Compare(a.addr, b.addr) })
}
