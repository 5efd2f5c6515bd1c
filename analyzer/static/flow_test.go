package static

import (
	"encoding/binary"
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"

	"golang.org/x/arch/arm64/arm64asm"
)

const textAt = 0x1000

// codeOf makes an image of functions that lie one behind the other, each
// padded to 64 bytes.
func codeOf(t *testing.T, arch string, functions ...[]byte) *code {
	t.Helper()
	m := &image{arch: arch}
	var text []byte
	for i, f := range functions {
		if len(f) > 64 {
			t.Fatalf("function %d has %d bytes", i, len(f))
		}
		m.symbols = append(m.symbols, symbol{name: fmt.Sprint("f", i), addr: textAt + 64*uint64(i), size: uint64(len(f)), function: true})
		text = append(text, f...)
		text = append(text, make([]byte, 64-len(f))...)
	}
	m.segments = []segment{{addr: textAt, data: text, exec: true}}
	c, err := readCode(m)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// callTo is a call at an offset of one function of the start of another.
func callTo(from, offset, to int) []byte {
	return binary.LittleEndian.AppendUint32([]byte{0xe8}, uint32(64*(to-from)-offset-5))
}

func TestNumbers(t *testing.T) {
	const push, pop = 0x55, 0x5d
	for _, test := range []struct {
		name      string
		functions [][]byte
		numbers   map[int][]uint64 // by function
		unknown   []int            // functions with a call that cannot be told
	}{
		{"a constant", [][]byte{{0xb8, 39, 0, 0, 0, 0x0f, 0x05, 0xc3}}, map[int][]uint64{0: {39}}, nil},
		{"zero", [][]byte{{0x31, 0xc0, 0x0f, 0x05, 0xc3}}, map[int][]uint64{0: {0}}, nil},
		{"through a register and the stack", [][]byte{{
			0xbe, 1, 0, 0, 0, 0x89, 0xf7, 0x48, 0x89, 0x7c, 0x24, 0xf8, 0x48, 0x8b, 0x44, 0x24, 0xf8, 0x0f, 0x05, 0xc3,
		}}, map[int][]uint64{0: {1}}, nil},
		{"one of two, by a branch", [][]byte{{
			0x85, 0xff, 0x74, 0x07, 0xb8, 82, 0, 0, 0, 0xeb, 0x05, 0xb8, 87, 0, 0, 0, 0x0f, 0x05, 0xc3,
		}}, map[int][]uint64{0: {82, 87}}, nil},
		{"one of two, by a conditional move", [][]byte{{
			0xb8, 82, 0, 0, 0, 0xb9, 87, 0, 0, 0, 0x0f, 0x44, 0xc1, 0x0f, 0x05, 0xc3,
		}}, map[int][]uint64{0: {82, 87}}, nil},
		{"zero, for it was tested", [][]byte{{0x48, 0x89, 0xf8, 0x48, 0x85, 0xc0, 0x74, 0x01, 0xc3, 0x0f, 0x05, 0xc3}}, map[int][]uint64{0: {0}}, nil},
		{"zero, for it was compared", [][]byte{{0x89, 0xf8, 0x83, 0xf8, 0x00, 0x75, 0x02, 0x0f, 0x05, 0xc3}}, map[int][]uint64{0: {0}}, nil},
		{"a byte of a number", [][]byte{{0x31, 0xc0, 0xb0, 56, 0x0f, 0x05, 0xc3}}, map[int][]uint64{0: {56}}, nil},
		{"a byte of what is not known", [][]byte{{0x48, 0x8b, 0x05, 0, 0, 0, 0, 0xb0, 56, 0x0f, 0x05, 0xc3}}, nil, []int{0}},
		{"a call changes registers", [][]byte{slices.Concat([]byte{0xb8, 39, 0, 0, 0}, callTo(0, 5, 1), []byte{0x0f, 0x05, 0xc3}), {0xc3}}, nil, []int{0}},
		{"but not those that it saves", [][]byte{
			slices.Concat([]byte{push, 0xbd, 39, 0, 0, 0}, callTo(0, 6, 1), []byte{0x89, 0xe8, 0x0f, 0x05, pop, 0xc3}), {0xc3},
		}, map[int][]uint64{0: {39}}, nil},
		{"padding is no way in", [][]byte{{
			0xb9, 60, 0, 0, 0, 0xeb, 0x03, 0x0f, 0x1f, 0x00, 0x89, 0xc8, 0x0f, 0x05, 0xc3,
		}}, map[int][]uint64{0: {60}}, nil},
		{"from memory", [][]byte{{0x48, 0x8b, 0x05, 0, 0, 0, 0, 0x0f, 0x05, 0xc3}}, nil, []int{0}},
		{"of a caller", [][]byte{
			slices.Concat([]byte{0xbf, 110, 0, 0, 0}, callTo(0, 5, 2), []byte{0xc3}),
			slices.Concat([]byte{0xbf, 111, 0, 0, 0}, callTo(1, 5, 2), []byte{0xc3}),
			{0x48, 0x89, 0xf8, 0x0f, 0x05, 0xc3},
		}, map[int][]uint64{0: {110}, 1: {111}}, nil},
		{"of a caller's caller, from the stack", [][]byte{
			slices.Concat([]byte{0x6a, 112}, callTo(0, 2, 1), []byte{0x58, 0xc3}),
			{0x48, 0x8b, 0x44, 0x24, 0x08, 0x0f, 0x05, 0xc3},
		}, map[int][]uint64{0: {112}}, nil},
		{"of a caller's structure", [][]byte{
			slices.Concat([]byte{0x48, 0x83, 0xec, 0x18, 0xc7, 0x04, 0x24, 105, 0, 0, 0, 0x48, 0x89, 0xe7}, callTo(0, 14, 1), []byte{0x48, 0x83, 0xc4, 0x18, 0xc3}),
			{0x8b, 0x07, 0x0f, 0x05, 0xc3},
		}, map[int][]uint64{0: {105}}, nil},
		{"of a caller that does not know either", [][]byte{
			slices.Concat([]byte{0x48, 0x8b, 0x3d, 0, 0, 0, 0}, callTo(0, 7, 1), []byte{0xc3}), {0x48, 0x89, 0xf8, 0x0f, 0x05, 0xc3},
		}, nil, []int{0}},
	} {
		t.Run(test.name, func(t *testing.T) {
			c := codeOf(t, "amd64", test.functions...)
			all := c.number()
			for i := range c.functions {
				f := all[i]
				if f == nil {
					f = &found{}
				}
				if !slices.Equal(f.numbers, test.numbers[i]) || len(f.unknown) > 0 != slices.Contains(test.unknown, i) {
					t.Errorf("function %d makes %d, unknown at %#x; want %d", i, f.numbers, f.unknown, test.numbers[i])
				}
			}
		})
	}
}

func words(all ...uint32) (code []byte) {
	for _, w := range all {
		code = binary.LittleEndian.AppendUint32(code, w)
	}
	return code
}

func TestNumbersARM64(t *testing.T) {
	const svc, ret = 0xd4000001, 0xd65f03c0
	for _, test := range []struct {
		name string
		code []byte
		want []uint64
	}{
		{"movz", words(0xd2801588, svc, ret), []uint64{172}},
		{"a pattern of bits", words(0xb27d0be8, svc, ret), []uint64{56}},
		{"a copy", words(0x52800ae1, 0x2a0103e8, svc, ret), []uint64{87}},
		{"zero, for it was tested", words(0xaa0003e8, 0xb4000048, ret, svc, ret), []uint64{0}},
		{"by the stack, with its sign", words(0xd2800ae0, 0xf90007e0, 0xb9800be8, svc, ret), []uint64{87}},
		{"by the stack", words(0xd2800ae0, 0xf90007e0, 0xf94007e8, svc, ret), []uint64{87}},
	} {
		t.Run(test.name, func(t *testing.T) {
			if f := codeOf(t, "arm64", test.code).number()[0]; f == nil || !slices.Equal(f.numbers, test.want) {
				t.Errorf("found %+v, want %d", f, test.want)
			}
		})
	}
}

// TestAgreesWithArm64asm holds the masks of arm64 against the formats of
// arm64asm, for instructions of all kinds.
func TestAgreesWithArm64asm(t *testing.T) {
	random := rand.New(rand.NewPCG(1, 2))
	known := map[kind]int{}
	for range 200_000 {
		w := random.Uint32()
		code := words(w)
		var s step
		arm64{}.decode(&s, code, textAt)
		inst, err := arm64asm.Decode(code)
		if err != nil {
			continue
		}
		want := plain
		var to uint64
		for _, a := range inst.Args {
			if rel, ok := a.(arm64asm.PCRel); ok {
				to = textAt + uint64(rel)
			}
		}
		switch inst.Op {
		case arm64asm.B:
			want = jump
			if _, conditional := inst.Args[0].(arm64asm.Cond); conditional {
				want = branch
			}
		case arm64asm.CBZ, arm64asm.CBNZ, arm64asm.TBZ, arm64asm.TBNZ:
			want = branch
		case arm64asm.BL, arm64asm.BLR:
			want = call
		case arm64asm.BR:
			want = jump
		case arm64asm.RET, arm64asm.ERET, arm64asm.DRPS, arm64asm.BRK:
			want = stop
		case arm64asm.SVC:
			want = kernel
		case arm64asm.ADR:
			if inst.Args[0] != arm64asm.XZR && (s.form != isNumber || s.value != to) {
				t.Fatalf("%08x %v: %+v", w, inst, s)
			}
			continue
		case arm64asm.ADRP:
			if page := textAt&^0xfff + (to - textAt); inst.Args[0] != arm64asm.XZR && (s.form != isNumber || s.value != page) {
				t.Fatalf("%08x %v: %#x, want %#x", w, inst, s.value, page)
			}
			continue
		}
		if s.kind != want || want != plain && s.to != to {
			t.Fatalf("%08x %v: kind %d to %#x, want %d to %#x", w, inst, s.kind, s.to, want, to)
		}
		known[want]++
	}
	for _, k := range []kind{plain, jump, branch, call} {
		if known[k] < 100 {
			t.Errorf("kind %d was tried %d times", k, known[k])
		}
	}
}

// TestObjects holds what an address of data leads to.
func TestObjects(t *testing.T) {
	const data = 0x10000
	g := &graph{code: &code{image: &image{arch: "amd64", segments: []segment{{addr: data, data: make([]byte, 0x200)}}}}, byFrom: map[uint64]int{}}
	g.symbols = []symbol{{name: "table", addr: data + 0x100, size: 24}}
	g.pointers = []reloc{{at: data + 0x10, to: data + 0x40, symbol: -1}, {at: data + 0x48, to: data + 0x50, symbol: -1}, {at: data + 0x110, to: data, symbol: -1}}
	g.borders()
	for _, test := range []struct {
		name string
		addr uint64
		want span
	}{
		{"as far as the next aligned address that is mentioned", data, span{data, data + 0x40}},
		{"an address inside", data + 0x10, span{data + 0x10, data + 0x40}},
		{"not cut short by what is not aligned", data + 0x40, span{data + 0x40, data + 0x100}},
		{"a symbol's size", data + 0x100, span{data + 0x100, data + 0x118}},
		{"a symbol's middle", data + 0x108, span{data + 0x100, data + 0x118}},
		{"past the symbol", data + 0x120, span{data + 0x120, data + 0x200}},
	} {
		if got := g.objectSpan(test.addr); got != test.want {
			t.Errorf("%s: %#x, want %#x", test.name, got, test.want)
		}
	}
}
