package bpf

import (
	"fmt"
	"strings"
)

// actionNames are the actions of linux/seccomp.h; all but those with data in
// the low 16 bits print as the name alone.
var actionNames = map[uint32]string{
	0x80000000: "KILL_PROCESS",
	0x00000000: "KILL_THREAD",
	0x00030000: "TRAP",
	0x00050000: "ERRNO",
	0x7fc00000: "USER_NOTIF",
	0x7ff00000: "TRACE",
	0x7ffc0000: "LOG",
	0x7fff0000: "ALLOW",
}

// String returns the program as text, one instruction a line: its index, what
// it does, and for jumps the indices that follow if the comparison holds and
// if it does not.
func (p Program) String() string {
	var b strings.Builder
	for i, in := range p {
		fmt.Fprintf(&b, "%4d  %s\n", i, in.at(i))
	}
	return b.String()
}

// at returns the instruction's text at index i of a program.
func (in Instruction) at(i int) string {
	jump := func(test string) string {
		return fmt.Sprintf("%-28s ? %d : %d", test, i+1+int(in.JT), i+1+int(in.JF))
	}
	switch in.Op {
	case opLoad:
		return "load " + field(in.K)
	case opAnd:
		return fmt.Sprintf("and %#x", in.K)
	case opJump:
		return fmt.Sprintf("goto %d", i+1+int(in.K))
	case opJEQ:
		return jump(fmt.Sprintf("if == %#x", in.K))
	case opJGT:
		return jump(fmt.Sprintf("if > %#x", in.K))
	case opJGE:
		return jump(fmt.Sprintf("if >= %#x", in.K))
	case opJSET:
		return jump(fmt.Sprintf("if & %#x", in.K))
	case opRet:
		return "return " + Action(in.K)
	}
	return fmt.Sprintf("unknown %#x %d %d %#x", in.Op, in.JT, in.JF, in.K)
}

// Action returns the name of a filter's return value, such as "ALLOW" or
// "ERRNO(1)".
func Action(value uint32) string {
	name, ok := actionNames[value&0xffff0000]
	switch data := value & 0xffff; {
	case !ok:
		return fmt.Sprintf("%#x", value)
	case data != 0:
		return fmt.Sprintf("%s(%d)", name, data)
	}
	return name
}

// field returns the name of the word at an offset of struct seccomp_data.
func field(offset uint32) string {
	switch {
	case offset == 0:
		return "nr"
	case offset == 4:
		return "arch"
	}
	word := "lo"
	if offset&4 != 0 {
		word = "hi"
	}
	if offset < 16 {
		return "ip." + word
	}
	return fmt.Sprintf("arg%d.%s", (offset-16)/8, word)
}
