package static

import (
	"cmp"
	"debug/elf"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"slices"
)

// Bounds of one file. Images are hostile.
const (
	maxLoaded   = 512 << 20 // bytes of a file's segments
	maxSegments = 64
	maxSections = 1 << 12
	maxSymbols  = 1 << 20
	maxRelocs   = 1 << 22
)

var errTooLarge = errors.New("more than is looked at")

// segment is a part of the file as it is in memory.
type segment struct {
	addr uint64
	data []byte
	exec bool
}

func (s segment) end() uint64 { return s.addr + uint64(len(s.data)) }

// image is an ELF file as the kernel or the loader maps it, with addresses as
// in the file. What follows from its section headers is only an addition:
// nothing needs them at run time, so they may be missing or lie.
type image struct {
	arch        string // as in GOARCH
	fixed       bool   // linked for one address: constants may be addresses
	entry       uint64
	segments    []segment // sorted, apart
	writable    []span    // memory that can be written to, also where the file has nothing
	stubs       []span    // sections of jumps to other files, where known
	golang      golang
	dynamic     dynamic
	symbols     []symbol // of functions and data, by address
	frames      uint64   // address of .eh_frame_hdr, or 0
	interpreter string
}

// span is a range of addresses.
type span struct{ from, to uint64 }

func (s span) has(addr uint64) bool { return addr >= s.from && addr < s.to }

// loadImage reads the parts of an ELF file that matter. Its errors are of the
// file: not of this architecture, malformed, or too large.
func loadImage(r io.ReaderAt) (*image, error) {
	e, err := elf.NewFile(r)
	if err != nil {
		return nil, fmt.Errorf("reading the ELF header: %w", err)
	}
	m := &image{entry: e.Entry, fixed: e.Type == elf.ET_EXEC}
	switch {
	case e.Class != elf.ELFCLASS64 || e.Data != elf.ELFDATA2LSB:
		return nil, errors.New("not a 64-bit little-endian file")
	case e.Type != elf.ET_EXEC && e.Type != elf.ET_DYN:
		return nil, fmt.Errorf("a file of type %v is not executed", e.Type)
	case e.Machine == elf.EM_X86_64:
		m.arch = "amd64"
	case e.Machine == elf.EM_AARCH64:
		m.arch = "arm64"
	default:
		return nil, fmt.Errorf("machine %v is not one that is read", e.Machine)
	}
	if len(e.Progs) > maxSegments || len(e.Sections) > maxSections {
		return nil, fmt.Errorf("%d segments and %d sections: %w", len(e.Progs), len(e.Sections), errTooLarge)
	}
	if err := m.load(e, r); err != nil {
		return nil, err
	}
	for _, s := range e.Sections {
		switch {
		case s.Flags&elf.SHF_EXECINSTR != 0 && isStubs(s.Name):
			m.stubs = append(m.stubs, span{s.Addr, s.Addr + min(s.Size, maxLoaded)})
		case s.Name == ".gopclntab" || s.Name == ".data.rel.ro.gopclntab":
			m.golang.table, m.golang.at = m.bytes(s.Addr, s.Size), s.Addr
		case s.Name == ".text":
			m.golang.text = s.Addr
		}
	}
	if err := m.readDynamic(e); err != nil {
		return nil, err
	}
	m.addSymbols(e)
	return m, nil
}

func isStubs(name string) bool {
	return name == ".plt" || name == ".plt.got" || name == ".plt.sec" || name == ".iplt"
}

// load reads the segments. Those that a file lists are sorted and apart, or
// else the loader refuses it.
func (m *image) load(e *elf.File, r io.ReaderAt) error {
	total, interpreter := uint64(0), uint64(0)
	held := uint64(0)
	if sized, ok := r.(interface{ Size() int64 }); ok {
		held = uint64(sized.Size())
	}
	for _, p := range e.Progs {
		if p.Type == elf.PT_GNU_EH_FRAME {
			m.frames = p.Vaddr
		}
		if p.Type == elf.PT_INTERP {
			interpreter = p.Vaddr
		}
		if p.Type == elf.PT_LOAD && p.Flags&elf.PF_W != 0 && p.Vaddr+p.Memsz > p.Vaddr {
			m.writable = append(m.writable, span{p.Vaddr, p.Vaddr + p.Memsz})
		}
		if p.Type != elf.PT_LOAD || p.Filesz == 0 {
			continue
		}
		if total += p.Filesz; p.Filesz > maxLoaded || total > maxLoaded {
			return fmt.Errorf("segments of more than %d bytes: %w", maxLoaded, errTooLarge)
		}
		if p.Vaddr+p.Filesz < p.Vaddr {
			return errors.New("a segment beyond the end of memory")
		}
		data, err := readAll(p.Open(), p.Filesz, held)
		if err != nil {
			return fmt.Errorf("reading a segment: %w", err)
		}
		m.segments = append(m.segments, segment{addr: p.Vaddr, data: data, exec: p.Flags&elf.PF_X != 0})
	}
	slices.SortFunc(m.segments, func(a, b segment) int { return cmp.Compare(a.addr, b.addr) })
	if interpreter != 0 {
		m.interpreter, _ = m.text(interpreter, 4096)
	}
	for i := 1; i < len(m.segments); i++ {
		if m.segments[i].addr < m.segments[i-1].end() {
			return errors.New("segments that overlap")
		}
	}
	return nil
}

// readAll reads what a header promises, and takes no more memory than there
// is data: a file of 100 bytes may promise a terabyte. A file holds so many
// bytes, as far as known.
func readAll(r io.Reader, size, held uint64) ([]byte, error) {
	const chunk = 16 << 20
	if size <= held {
		data := make([]byte, size)
		_, err := io.ReadFull(r, data)
		return data, err
	}
	data := make([]byte, 0, min(size, chunk))
	for uint64(len(data)) < size {
		n := min(size-uint64(len(data)), chunk)
		start := len(data)
		data = slices.Grow(data, int(n))[:start+int(n)]
		if _, err := io.ReadFull(r, data[start:]); err != nil {
			return nil, err
		}
	}
	return data, nil
}

// segmentOf returns the segment that holds an address, or nil.
func (m *image) segmentOf(addr uint64) *segment {
	// There are a handful: a search in halves takes longer.
	for i := range m.segments {
		if s := &m.segments[i]; addr-s.addr < uint64(len(s.data)) {
			return s
		}
	}
	return nil
}

// code reports whether an address is executable.
func (m *image) code(addr uint64) bool {
	s := m.segmentOf(addr)
	return s != nil && s.exec
}

// tail returns what is in memory from an address to its segment's end.
func (m *image) tail(addr uint64) []byte {
	s := m.segmentOf(addr)
	if s == nil {
		return nil
	}
	return s.data[addr-s.addr:]
}

// bytes returns size bytes at an address, or nil where they are not.
func (m *image) bytes(addr, size uint64) []byte {
	t := m.tail(addr)
	if uint64(len(t)) < size {
		return nil
	}
	return t[:size]
}

// word reads 8 bytes; what is not there is zero, as in .bss.
func (m *image) word(addr uint64) uint64 {
	b := m.bytes(addr, 8)
	if b == nil {
		return 0
	}
	return binary.LittleEndian.Uint64(b)
}

// text reads a string that ends by a zero byte, of at most limit bytes.
func (m *image) text(addr uint64, limit int) (string, bool) {
	t := m.tail(addr)
	for i, c := range t[:min(len(t), limit)] {
		if c == 0 {
			return string(t[:i]), true
		}
	}
	return "", false
}
