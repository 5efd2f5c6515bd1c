package filter

import (
	"fmt"
	"iter"
	"slices"

	"golang.org/x/sys/unix"

	"github.com/least-privilege/lpm/enforcer/filter/bpf"
	"github.com/least-privilege/lpm/enforcer/plan"
)

// provedNumbers is how many numbers from 0 are tried beside those in rules:
// twice what Linux has today.
const provedNumbers = 1024

// prove runs the program on calls chosen from the rules' edges and reports the
// first that it decides otherwise than [verdict]. It takes some milliseconds
// at most for a usual filter, once in its life.
func prove(f plan.Filter, program bpf.Program) error {
	for d := range calls(f) {
		want := verdict(f, d)
		if got := program.Run(d).Return; got != returned(want) {
			return fmt.Errorf("%w: call %d of architecture %#x with %#x gets %s instead of %s",
				ErrMiscompiled, d.Number, d.Arch, d.Args, bpf.Action(got), want)
		}
	}
	return nil
}

// calls yields the calls to prove a filter by: all numbers that Linux has and
// those around rules, native, foreign and of x32; then arguments on both sides
// of each comparison.
func calls(f plan.Filter) iter.Seq[bpf.Data] {
	native, foreign := audit(f.Architecture)
	return func(yield func(bpf.Data) bool) {
		numbers := []int32{-1}
		for n := range int32(provedNumbers) {
			numbers = append(numbers, n)
		}
		for _, r := range f.Rules {
			numbers = append(numbers, int32(r.Number), int32(r.Number)+1)
		}
		for _, n := range numbers {
			if !yield(bpf.Data{Number: n, Arch: native}) || !yield(bpf.Data{Number: n, Arch: foreign}) ||
				!yield(bpf.Data{Number: n | bpf.X32Bit, Arch: native}) {
				return
			}
		}
		for _, r := range f.Rules {
			for _, args := range edges(r.When) {
				if !yield(bpf.Data{Number: int32(r.Number), Arch: native, Args: args}) {
					return
				}
			}
		}
	}
}

// edges returns arguments around where the comparisons begin to hold: all of
// them do, with the free bits clear and set, and then each in turn just not,
// in its low and in its high half.
func edges(when []plan.Compare) [][6]uint64 {
	var clear, set [6]uint64
	for i := range set {
		set[i] = ^uint64(0)
	}
	for _, c := range when {
		clear[c.Arg] = c.Value
		set[c.Arg] = c.Value | ^c.Mask
	}
	out := [][6]uint64{clear, set}
	for _, c := range when {
		for _, bits := range []uint64{c.Mask & -c.Mask, c.Mask & 0xffffffff, c.Mask &^ 0xffffffff} {
			for _, base := range [][6]uint64{clear, set} {
				base[c.Arg] ^= bits
				out = append(out, base)
			}
		}
	}
	return out
}

// verdict decides a call by the rules, as plainly as they can be read.
func verdict(f plan.Filter, d bpf.Data) plan.Action {
	native, _ := audit(f.Architecture)
	switch {
	case d.Arch != native:
		return plan.ActionKill
	case f.Architecture == "amd64" && d.Number != -1 && uint32(d.Number) >= bpf.X32Bit:
		return plan.ActionKill
	}
	first, _ := slices.BinarySearchFunc(f.Rules, int(d.Number), func(r plan.Rule, number int) int {
		return r.Number - number
	})
	for _, r := range f.Rules[first:] {
		if r.Number != int(d.Number) {
			break
		}
		if holds(r.When, d.Args) {
			return r.Action
		}
	}
	return f.Default
}

func holds(when []plan.Compare, args [6]uint64) bool {
	for _, c := range when {
		if args[c.Arg]&c.Mask != c.Value {
			return false
		}
	}
	return true
}

// returned is the value with which a filter asks for the action.
func returned(a plan.Action) uint32 {
	switch a {
	case plan.ActionAllow:
		return unix.SECCOMP_RET_ALLOW
	case plan.ActionNotify:
		return unix.SECCOMP_RET_USER_NOTIF
	case plan.ActionEPERM:
		return unix.SECCOMP_RET_ERRNO | uint32(unix.EPERM)
	case plan.ActionENOSYS:
		return unix.SECCOMP_RET_ERRNO | uint32(unix.ENOSYS)
	}
	return unix.SECCOMP_RET_KILL_PROCESS
}

// audit returns what the kernel calls the architecture, and the 32-bit one
// whose calls the same processor also takes.
func audit(architecture string) (native, foreign uint32) {
	if architecture == "arm64" {
		return bpf.ArchAArch64, bpf.ArchARM
	}
	return bpf.ArchX86_64, bpf.ArchI386
}
