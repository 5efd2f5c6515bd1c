package bpf

import (
	"bytes"
	"errors"
	"math"
	"slices"
	"strings"
	"testing"
)

// sample allows getpid, refuses socket for one family, and kills the rest.
var sample = Program{
	{Op: opLoad, K: 4},
	{Op: opJEQ, JT: 0, JF: 9, K: ArchX86_64},
	{Op: opLoad, K: 0},
	{Op: opJGE, JT: 7, JF: 0, K: X32Bit},
	{Op: opJEQ, JT: 7, JF: 0, K: 39},
	{Op: opJEQ, JT: 0, JF: 5, K: 41},
	{Op: opLoad, K: 16},
	{Op: opAnd, K: 0xff},
	{Op: opJGT, JT: 3, JF: 0, K: 1},
	{Op: opJSET, JT: 3, JF: 2, K: 1},
	{Op: opJump, K: 0},
	{Op: opRet, K: 0x80000000},
	{Op: opRet, K: 0x7fff0000},
	{Op: opRet, K: 0x00050001},
}

func TestString(t *testing.T) {
	const want = `
   0  load arch
   1  if == 0xc000003e             ? 2 : 11
   2  load nr
   3  if >= 0x40000000             ? 11 : 4
   4  if == 0x27                   ? 12 : 5
   5  if == 0x29                   ? 6 : 11
   6  load arg0.lo
   7  and 0xff
   8  if > 0x1                     ? 12 : 9
   9  if & 0x1                     ? 13 : 12
  10  goto 11
  11  return KILL_PROCESS
  12  return ALLOW
  13  return ERRNO(1)
`
	if got := "\n" + sample.String(); got != want {
		t.Errorf("got%s\nwant%s", got, want)
	}
}

func TestRun(t *testing.T) {
	for _, test := range []struct {
		name      string
		call      Data
		want      string
		cacheable bool
	}{
		{"by number", Data{Number: 39, Arch: ArchX86_64}, "ALLOW", true},
		{"unknown number", Data{Number: 40, Arch: ArchX86_64}, "KILL_PROCESS", true},
		{"other architecture", Data{Number: 39, Arch: ArchI386}, "KILL_PROCESS", true},
		{"number with a high bit", Data{Number: X32Bit | 39, Arch: ArchX86_64}, "KILL_PROCESS", true},
		{"negative number is a large one", Data{Number: -1, Arch: ArchX86_64}, "KILL_PROCESS", true},
		{"argument, bit set", Data{Number: 41, Arch: ArchX86_64, Args: [6]uint64{1}}, "ERRNO(1)", false},
		{"argument, bit clear", Data{Number: 41, Arch: ArchX86_64}, "ALLOW", false},
		{"argument, greater", Data{Number: 41, Arch: ArchX86_64, Args: [6]uint64{2}}, "ALLOW", false},
		{"argument, masked bits", Data{Number: 41, Arch: ArchX86_64, Args: [6]uint64{0xff01}}, "ERRNO(1)", false},
	} {
		t.Run(test.name, func(t *testing.T) {
			got := sample.Run(test.call)
			if Action(got.Return) != test.want || got.Cacheable != test.cacheable {
				t.Errorf("got %s, cacheable %t; want %s, %t", Action(got.Return), got.Cacheable, test.want, test.cacheable)
			}
			if got.Steps < 3 || got.Steps > len(sample) {
				t.Errorf("took %d steps", got.Steps)
			}
		})
	}
}

// TestLoads returns each word of struct seccomp_data, known by its value.
func TestLoads(t *testing.T) {
	d := Data{Number: 100, Arch: 101, Pointer: 103<<32 | 102}
	for i := range d.Args {
		d.Args[i] = uint64(105+2*i)<<32 | uint64(104+2*i)
	}
	names := []string{"nr", "arch", "ip.lo", "ip.hi", "arg0.lo", "arg0.hi", "arg1.lo", "arg1.hi",
		"arg2.lo", "arg2.hi", "arg3.lo", "arg3.hi", "arg4.lo", "arg4.hi", "arg5.lo", "arg5.hi"}
	for i, name := range names {
		p := Program{{Op: opLoad, K: uint32(4 * i)}, {Op: opJEQ, JT: 0, JF: 1, K: uint32(100 + i)}, {Op: opRet, K: 7}, {Op: opRet, K: 8}}
		if got := p.Run(d).Return; got != 7 {
			t.Errorf("word %d is not what it should be", i)
		}
		if !strings.HasPrefix(p.String(), "   0  load "+name+"\n") {
			t.Errorf("word %d is not called %s:\n%s", i, name, p)
		}
	}
}

func TestDecode(t *testing.T) {
	p, err := Decode(sample.Bytes())
	if err != nil || !slices.Equal(p, sample) {
		t.Errorf("got %v, %v", p, err)
	}
}

func TestDecodeRefuses(t *testing.T) {
	ret := Instruction{Op: opRet}
	for _, test := range []struct {
		name string
		raw  []byte
	}{
		{"nothing", nil},
		{"half an instruction", sample.Bytes()[:12]},
		{"more than the kernel takes", slices.Repeat(Program{ret}, MaxInstructions+1).Bytes()},
		{"no return", Program{{Op: opLoad}}.Bytes()},
		{"a mask at the end", Program{{Op: opAnd}}.Bytes()},
		{"a jump past the end", Program{{Op: opJump, K: 1}, ret}.Bytes()},
		{"a jump that wraps around", Program{{Op: opJump, K: math.MaxUint32}, ret}.Bytes()},
		{"a branch past the end, taken", Program{{Op: opJEQ, JT: 1}, ret}.Bytes()},
		{"a branch past the end, not taken", Program{{Op: opJSET, JF: 1}, ret}.Bytes()},
		{"a load between words", Program{{Op: opLoad, K: 2}, ret}.Bytes()},
		{"a load past the data", Program{{Op: opLoad, K: dataSize}, ret}.Bytes()},
		{"an opcode that libseccomp never writes", Program{{Op: 0x16}, ret}.Bytes()},
	} {
		t.Run(test.name, func(t *testing.T) {
			if p, err := Decode(test.raw); !errors.Is(err, ErrMalformed) {
				t.Errorf("got %v, %v", p, err)
			}
		})
	}
}

func TestAction(t *testing.T) {
	for value, want := range map[uint32]string{
		0x7fff0000: "ALLOW", 0x80000000: "KILL_PROCESS", 0: "KILL_THREAD", 0x7fc00000: "USER_NOTIF",
		0x00050026: "ERRNO(38)", 0x12340001: "0x12340001",
	} {
		if got := Action(value); got != want {
			t.Errorf("%#x is called %s, want %s", value, got, want)
		}
	}
}

// FuzzDecode holds that what decodes encodes to the same bytes, prints, and
// runs to its end on any call.
func FuzzDecode(f *testing.F) {
	f.Add(sample.Bytes(), int32(41), uint64(1))
	f.Add([]byte("not a filter"), int32(0), uint64(0))
	f.Fuzz(func(t *testing.T, raw []byte, number int32, arg uint64) {
		p, err := Decode(raw)
		if err != nil {
			return
		}
		if !bytes.Equal(p.Bytes(), raw) {
			t.Errorf("encodes to other bytes")
		}
		if lines := strings.Count(p.String(), "\n"); lines != len(p) {
			t.Errorf("%d lines for %d instructions", lines, len(p))
		}
		d := Data{Number: number, Arch: ArchX86_64, Args: [6]uint64{arg, arg, arg, arg, arg, arg}}
		if got := p.Run(d); got.Steps > len(p) {
			t.Errorf("%d steps in %d instructions", got.Steps, len(p))
		}
	})
}
