package rootfs

import (
	"debug/elf"
	"encoding/binary"
	"errors"
	"io"
	"strings"
)

// header is what a program's or shared object's program headers say.
type header struct {
	kind elf.Type
	// loader is the interpreter that is named, if any.
	loader string
	// soname and pie tell whether the dynamic section has a name of a shared
	// object and the mark of a position-independent program.
	soname, pie bool
}

// maxDynamic bounds what is read of a dynamic section, in bytes. Real ones
// have some dozens of entries of 16.
const maxDynamic = 1 << 16

// readHeader reads an ELF file as the kernel and the loader do, by its program
// headers. The section headers are left out: nothing that executes a file
// looks at them, so that wrong ones would hide a program from us alone, and
// compressed ones could fill the memory.
func readHeader(f io.ReaderAt) (header, error) {
	file, err := elf.NewFile(sectionless{f})
	if err != nil {
		return header{}, err
	}
	h := header{kind: file.Type}
	for _, p := range file.Progs {
		switch {
		case p.Type == elf.PT_INTERP && p.Filesz <= 4096:
			b := make([]byte, p.Filesz)
			if _, err := p.ReadAt(b, 0); err == nil {
				h.loader, _, _ = strings.Cut(string(b), "\x00")
			}
		case p.Type == elf.PT_DYNAMIC:
			b := make([]byte, min(p.Filesz, maxDynamic))
			n, err := p.ReadAt(b, 0)
			if err != nil && !errors.Is(err, io.EOF) {
				continue
			}
			h.dynamic(b[:n], file.ByteOrder, file.Class)
		}
	}
	return h, nil
}

// dynamic reads the entries of a dynamic section: pairs of words.
func (h *header) dynamic(b []byte, order binary.ByteOrder, class elf.Class) {
	word, read := 8, func(b []byte) uint64 { return order.Uint64(b) }
	if class == elf.ELFCLASS32 {
		word, read = 4, func(b []byte) uint64 { return uint64(order.Uint32(b)) }
	}
	for ; len(b) >= 2*word; b = b[2*word:] {
		switch value := read(b[word:]); elf.DynTag(read(b)) {
		case elf.DT_NULL:
			return
		case elf.DT_SONAME:
			h.soname = true
		case elf.DT_FLAGS_1:
			h.pie = elf.DynFlag1(value)&elf.DF_1_PIE != 0
		}
	}
}

// sectionless is an ELF file that says it has no section headers.
type sectionless struct{ io.ReaderAt }

// ReadAt implements [io.ReaderAt].
func (s sectionless) ReadAt(b []byte, at int64) (int, error) {
	n, err := s.ReaderAt.ReadAt(b, at)
	var class [5]byte
	if _, err := s.ReaderAt.ReadAt(class[:], 0); err != nil {
		return n, err
	}
	// e_shoff, e_shnum and e_shstrndx of Elf32_Ehdr and Elf64_Ehdr (elf(5)).
	fields := [][2]int64{{40, 48}, {60, 64}}
	if elf.Class(class[elf.EI_CLASS]) == elf.ELFCLASS32 {
		fields = [][2]int64{{32, 36}, {48, 52}}
	}
	for _, f := range fields {
		for i := max(f[0], at); i < min(f[1], at+int64(n)); i++ {
			b[i-at] = 0
		}
	}
	return n, err
}
