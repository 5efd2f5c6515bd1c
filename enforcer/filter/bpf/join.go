package bpf

import "fmt"

// allow is SECCOMP_RET_ALLOW.
const allow = 0x7fff0000

// Join returns one program that does what the kernel does with two filters: what
// the first allows, the second decides. Where the first does anything but allow
// and refuse, the second must not do what the kernel prefers to that. The kernel
// translates and runs one program faster than two.
func Join(first, second Program) (Program, error) {
	n := len(first) + len(second)
	if n > MaxInstructions {
		return nil, fmt.Errorf("two filters have %d instructions, the kernel takes %d", n, MaxInstructions)
	}
	joined := make(Program, 0, n)
	for i, in := range first {
		if in.Op == opRet && in.K == allow {
			in = Instruction{Op: opJump, K: uint32(len(first) - i - 1)}
		}
		joined = append(joined, in)
	}
	return append(joined, second...), nil
}
