// Package filter compiles the syscall rules of a plan to BPF.
//
// libseccomp writes the program; what it wrote is then run against the rules
// (see [Compile]), so that neither its faults nor a misuse of it end in a
// filter that lets through what the plan does not. Nothing is loaded here: the
// result is bytes that a launcher hands to seccomp(2), today or from a kept
// preparation. It is the only package of lpm that links C.
package filter

import (
	"errors"
	"fmt"
	"os"
	"runtime"
	"slices"

	seccomp "github.com/seccomp/libseccomp-golang"
	"golang.org/x/sys/unix"

	"github.com/least-privilege/lpm/enforcer/filter/bpf"
	"github.com/least-privilege/lpm/enforcer/plan"
)

var (
	// ErrArchitecture is returned for a filter of an architecture that is
	// not the one this program runs on: libseccomp takes the numbers of
	// foreign calls for native ones.
	ErrArchitecture = errors.New("filter is for another architecture")
	// ErrTooLong is returned where the rules need more instructions than
	// the kernel takes ([bpf.MaxInstructions]), or more than
	// [MaxComparisons].
	ErrTooLong = errors.New("filter is too long for the kernel")
	// ErrMiscompiled is returned where the compiled program decides a call
	// otherwise than the rules do. It is a fault of lpm or of libseccomp.
	ErrMiscompiled = errors.New("compiled filter does not do what its rules say")
)

// optimizeTree makes libseccomp find a call by a binary search for its number
// instead of one comparison after the other (SCMP_FLTATR_CTL_OPTIMIZE).
const optimizeTree = 2

// Compile returns the filter as an array of struct sock_filter.
//
// Calls of a foreign architecture, i386 and x32 among them, kill the process.
// The number -1, which a tracer sets to skip a call, gets the default action.
// The same rules give the same bytes with the same libseccomp. Errors are
// [ErrArchitecture], [ErrTooLong], [ErrMiscompiled], a [*RuleError] for rules
// that no filter can hold, or libseccomp's own.
func Compile(f plan.Filter) ([]byte, error) {
	if f.Architecture != runtime.GOARCH {
		return nil, fmt.Errorf("%w: %q, not %q", ErrArchitecture, f.Architecture, runtime.GOARCH)
	}
	if err := check(f); err != nil {
		return nil, err
	}
	if err := checkSize(f); err != nil {
		return nil, err
	}
	raw, err := build(f)
	if err != nil {
		return nil, fmt.Errorf("compiling %d syscall rules: %w", len(f.Rules), err)
	}
	if n := len(raw) / 8; n > bpf.MaxInstructions {
		return nil, fmt.Errorf("%w: %d rules need %d instructions of %d",
			ErrTooLong, len(f.Rules), n, bpf.MaxInstructions)
	}
	program, err := bpf.Decode(raw)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrMiscompiled, err)
	}
	if err := prove(f, program); err != nil {
		return nil, err
	}
	return raw, nil
}

// CompileAll compiles filters and returns one program that does what the kernel
// does with all of them. A filter may notify only where those after it refuse
// nothing, which the kernel prefers. Other errors are those of [Compile].
func CompileAll(filters []plan.Filter) ([]byte, error) {
	var joined bpf.Program
	notifies := false
	for i, f := range filters {
		if notifies && uses(f, plan.ActionEPERM, plan.ActionENOSYS, plan.ActionKill) {
			return nil, errors.New("a filter refuses calls after one that notifies of some")
		}
		notifies = notifies || uses(f, plan.ActionNotify)
		raw, err := Compile(f)
		if err != nil {
			return nil, err
		}
		program, err := bpf.Decode(raw)
		if err != nil {
			return nil, fmt.Errorf("%w: %w", ErrMiscompiled, err)
		}
		if i == 0 {
			joined = program
		} else if joined, err = bpf.Join(joined, program); err != nil {
			return nil, fmt.Errorf("%w: %w", ErrTooLong, err)
		}
	}
	return joined.Bytes(), nil
}

// uses reports whether a filter has one of the actions for native calls.
func uses(f plan.Filter, actions ...plan.Action) bool {
	return slices.Contains(actions, f.Default) ||
		slices.ContainsFunc(f.Rules, func(r plan.Rule) bool { return slices.Contains(actions, r.Action) })
}

// Disassemble returns a compiled filter as text, one instruction a line.
func Disassemble(raw []byte) (string, error) {
	program, err := bpf.Decode(raw)
	if err != nil {
		return "", err
	}
	return program.String(), nil
}

// build has libseccomp write the program for rules that check accepted.
func build(f plan.Filter) ([]byte, error) {
	ctx, err := seccomp.NewFilter(action(f.Default))
	if err != nil {
		return nil, err
	}
	defer ctx.Release()
	if err := ctx.SetBadArchAction(seccomp.ActKillProcess); err != nil {
		return nil, err
	}
	if err := ctx.SetOptimize(optimizeTree); err != nil {
		return nil, err
	}
	for _, group := range groups(f) {
		if err := add(ctx, group); err != nil {
			return nil, fmt.Errorf("%s: %w", group[0].Syscall, err)
		}
	}
	return export(ctx)
}

// add adds the alternatives of one call.
func add(ctx *seccomp.ScmpFilter, alternatives []plan.Rule) error {
	for _, r := range alternatives {
		var conditions []seccomp.ScmpCondition
		for _, c := range r.When {
			made, err := seccomp.MakeCondition(uint(c.Arg), seccomp.CompareMaskedEqual, c.Mask, c.Value)
			if err != nil {
				return err
			}
			conditions = append(conditions, made)
		}
		// Exact: libseccomp refuses where it would have to change the rule.
		err := ctx.AddRuleConditionalExact(seccomp.ScmpSyscall(r.Number), action(r.Action), conditions)
		if err != nil {
			return err
		}
	}
	return nil
}

// export returns the program. libseccomp writes it to a descriptor; to memory
// only from 2.6 on, which Debian 12 does not have.
func export(ctx *seccomp.ScmpFilter) ([]byte, error) {
	fd, err := unix.MemfdCreate("lpm-filter", unix.MFD_CLOEXEC)
	if err != nil {
		return nil, fmt.Errorf("making a memory file: %w", err)
	}
	file := os.NewFile(uintptr(fd), "lpm-filter")
	defer file.Close()
	if err := ctx.ExportBPF(file); err != nil {
		return nil, fmt.Errorf("writing the program: %w", err)
	}
	info, err := file.Stat()
	if err != nil {
		return nil, err
	}
	raw := make([]byte, info.Size())
	if _, err := file.ReadAt(raw, 0); err != nil {
		return nil, fmt.Errorf("reading the program: %w", err)
	}
	return raw, nil
}

// action returns libseccomp's name of an action that check accepted.
func action(a plan.Action) seccomp.ScmpAction {
	switch a {
	case plan.ActionAllow:
		return seccomp.ActAllow
	case plan.ActionNotify:
		return seccomp.ActNotify
	case plan.ActionEPERM:
		return seccomp.ActErrno.SetReturnCode(int16(unix.EPERM))
	case plan.ActionENOSYS:
		return seccomp.ActErrno.SetReturnCode(int16(unix.ENOSYS))
	}
	return seccomp.ActKillProcess
}
