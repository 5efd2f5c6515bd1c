package static

import (
	"cmp"
	"encoding/binary"
	"slices"
	"strings"
)

// Pointer encodings of .eh_frame (Linux Standard Base 5, DWARF extensions).
const (
	encOmit    = 0xff
	encPCRel   = 0x10
	encDataRel = 0x30
	encUleb    = 0x01
	encUdata2  = 0x02
	encUdata4  = 0x03
	encUdata8  = 0x04
	encSleb    = 0x09
	encSdata2  = 0x0a
	encSdata4  = 0x0b
	encSdata8  = 0x0c
)

// frameSpans returns the functions that the unwinding table describes:
// compilers write one entry for each part of a function, and stripping leaves
// them, for exceptions need them.
func (m *image) frameSpans() []span {
	r := &frameReader{m: m, encodings: map[uint64]byte{}, signals: map[uint64]bool{}}
	header := m.bytes(m.frames, 8)
	if m.frames == 0 || header == nil || header[0] != 1 {
		return nil
	}
	at := m.frames + 4
	start, ok := r.pointer(&at, header[1])
	if !ok {
		return nil
	}
	var spans []span
	for at := start; len(spans) < maxSymbols; {
		b := m.bytes(at, 4)
		if b == nil {
			break
		}
		length := uint64(binary.LittleEndian.Uint32(b))
		if length < 4 || length >= 0xfffffff0 || m.bytes(at+4, length) == nil {
			break
		}
		if s, ok := r.entry(at + 4); ok {
			spans = append(spans, s)
		}
		at += 4 + length
	}
	slices.SortFunc(spans, func(a, b span) int { return cmp.Or(cmp.Compare(a.from, b.from), cmp.Compare(b.to, a.to)) })
	return spans
}

type frameReader struct {
	m         *image
	encodings map[uint64]byte // of the pointers, by the address of the CIE
	signals   map[uint64]bool // CIEs of what a signal handler returns to
}

// entry reads the range of the FDE whose second word is at the address.
func (r *frameReader) entry(at uint64) (span, bool) {
	offset := uint64(binary.LittleEndian.Uint32(r.m.bytes(at, 4)))
	if offset == 0 {
		return span{}, false // a CIE
	}
	encoding, ok := r.encoding(at - offset)
	if !ok {
		return span{}, false
	}
	signal := r.signals[at-offset]
	at += 4
	from, ok := r.pointer(&at, encoding)
	if !ok {
		return span{}, false
	}
	size, ok := r.pointer(&at, encoding&0x0f)
	if signal && size > 1 {
		// Unwinders look for the instruction before the one returned to, so
		// these ranges begin a byte or more early, as no other does.
		from, size = from+1, size-1
	}
	if !ok || size == 0 || from+size < from || !r.m.code(from) {
		return span{}, false
	}
	return span{from, min(from+size, r.m.segmentOf(from).end())}, true
}

// encoding reads how the CIE at an address says that pointers are written.
func (r *frameReader) encoding(cie uint64) (byte, bool) {
	if e, known := r.encodings[cie]; known {
		return e, e != encOmit
	}
	e := r.readEncoding(cie)
	r.encodings[cie] = e
	return e, e != encOmit
}

func (r *frameReader) readEncoding(cie uint64) byte {
	at := cie + 8
	version := r.m.bytes(at, 1)
	if version == nil || version[0] != 1 && version[0] != 3 {
		return encOmit
	}
	augmentation, ok := r.m.text(at+1, 16)
	if !ok || augmentation == "" || augmentation[0] != 'z' {
		if ok && augmentation == "" {
			return 0
		}
		return encOmit
	}
	at += 2 + uint64(len(augmentation))
	r.leb(&at) // code alignment
	r.leb(&at) // data alignment
	r.leb(&at) // return address register
	r.leb(&at) // length of what follows
	r.signals[cie] = strings.Contains(augmentation, "S")
	for _, c := range augmentation[1:] {
		if c == 'S' || c == 'B' {
			continue // no data
		}
		b := r.m.bytes(at, 1)
		if b == nil {
			return encOmit
		}
		at++
		switch c {
		case 'R':
			return b[0]
		case 'P':
			if _, ok := r.pointer(&at, b[0]); !ok {
				return encOmit
			}
		case 'L':
		default:
			at--
		}
	}
	return 0
}

func (r *frameReader) leb(at *uint64) uint64 {
	var v uint64
	for shift := 0; shift < 64; shift += 7 {
		b := r.m.bytes(*at, 1)
		if b == nil {
			break
		}
		*at++
		v |= uint64(b[0]&0x7f) << shift
		if b[0] < 0x80 {
			break
		}
	}
	return v
}

// pointer reads one, and moves on.
func (r *frameReader) pointer(at *uint64, encoding byte) (uint64, bool) {
	place := *at
	var v uint64
	size := map[byte]uint64{0: 8, encUdata8: 8, encSdata8: 8, encUdata4: 4, encSdata4: 4, encUdata2: 2, encSdata2: 2}[encoding&0x0f]
	switch b := r.m.bytes(place, size); {
	case encoding&0x0f == encUleb:
		v = r.leb(at)
	case size == 0 || b == nil:
		return 0, false
	case size == 8:
		v = binary.LittleEndian.Uint64(b)
	case size == 4:
		v = uint64(binary.LittleEndian.Uint32(b))
	case size == 2:
		v = uint64(binary.LittleEndian.Uint16(b))
	}
	switch encoding & 0x0f {
	case encSdata4:
		v = uint64(int64(int32(v)))
	case encSdata2:
		v = uint64(int64(int16(v)))
	case encSleb:
		return 0, false
	}
	*at += size
	switch encoding & 0x70 {
	case 0:
	case encPCRel:
		v += place
	case encDataRel:
		v += r.m.frames
	default:
		return 0, false
	}
	return v, true
}
