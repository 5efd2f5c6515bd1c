package bpf

import (
	"slices"
	"testing"
)

func TestAllow(t *testing.T) {
	p, err := Allow(ArchX86_64, []Rule{
		{Number: 1},
		{Number: 41, Args: []Arg{{Index: 0, Values: []uint32{2, 10}}}},
		{Number: 41, Args: []Arg{{Index: 0, Values: []uint32{16}}, {Index: 2, Values: []uint32{0}}}},
		{Number: 56, Args: []Arg{{Index: 0, Mask: 0xff00, Values: []uint32{0x100}}}},
		{Number: 3},
	}, 0x00050026)
	if err != nil {
		t.Fatal(err)
	}
	for _, test := range []struct {
		name string
		call Data
		want string
	}{
		{"a call", Data{Number: 1, Arch: ArchX86_64}, "ALLOW"},
		{"the last call", Data{Number: 3, Arch: ArchX86_64}, "ALLOW"},
		{"another call", Data{Number: 2, Arch: ArchX86_64}, "ERRNO(38)"},
		{"a negative number", Data{Number: -1, Arch: ArchX86_64}, "ERRNO(38)"},
		{"the numbers of x32", Data{Number: X32Bit | 1, Arch: ArchX86_64}, "ERRNO(38)"},
		{"another architecture", Data{Number: 1, Arch: ArchI386}, "KILL_PROCESS"},
		{"the first value", Data{Number: 41, Arch: ArchX86_64, Args: [6]uint64{2}}, "ALLOW"},
		{"the second value", Data{Number: 41, Arch: ArchX86_64, Args: [6]uint64{10}}, "ALLOW"},
		{"no value", Data{Number: 41, Arch: ArchX86_64, Args: [6]uint64{1}}, "ERRNO(38)"},
		{"what is not looked at", Data{Number: 41, Arch: ArchX86_64, Args: [6]uint64{2, 9, 9}}, "ALLOW"},
		{"the second rule", Data{Number: 41, Arch: ArchX86_64, Args: [6]uint64{16}}, "ALLOW"},
		{"half of the second rule", Data{Number: 41, Arch: ArchX86_64, Args: [6]uint64{16, 0, 4}}, "ERRNO(38)"},
		{"the high half of an argument", Data{Number: 41, Arch: ArchX86_64, Args: [6]uint64{1<<32 | 2}}, "ALLOW"},
		{"a mask", Data{Number: 56, Arch: ArchX86_64, Args: [6]uint64{0xf03f5}}, "ERRNO(38)"},
		{"a mask that fits", Data{Number: 56, Arch: ArchX86_64, Args: [6]uint64{0xf0155}}, "ALLOW"},
	} {
		t.Run(test.name, func(t *testing.T) {
			if got := p.Run(test.call); Action(got.Return) != test.want {
				t.Errorf("got %s, want %s, of\n%s", Action(got.Return), test.want, p)
			}
		})
	}
	for _, number := range []int32{1, 2, 3} {
		if !p.Run(Data{Number: number, Arch: ArchX86_64}).Cacheable {
			t.Errorf("call %d has no rule with conditions, and the verdict depends on more than its number", number)
		}
	}
}

func TestAllowRefuses(t *testing.T) {
	many := Arg{Values: make([]uint32, 100)}
	for name, rule := range map[string]Rule{
		"a condition without values": {Args: []Arg{{}}},
		"an argument too far":        {Args: []Arg{{Index: 6, Values: []uint32{0}}}},
		"an argument below none":     {Args: []Arg{{Index: -1, Values: []uint32{0}}}},
		"more than a jump reaches":   {Args: []Arg{many, many, many}},
		"more values than that":      {Args: []Arg{{Values: make([]uint32, 256)}}},
	} {
		t.Run(name, func(t *testing.T) {
			if p, err := Allow(ArchX86_64, []Rule{rule}, 0); err == nil {
				t.Errorf("made\n%s", p)
			}
		})
	}
	if _, err := Allow(ArchX86_64, slices.Repeat([]Rule{{}}, MaxInstructions), 0); err == nil {
		t.Error("made a filter that is longer than the kernel takes")
	}
}
