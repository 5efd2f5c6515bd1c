package filter

import (
	"errors"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"github.com/least-privilege/lpm/enforcer/filter/bpf"
	"github.com/least-privilege/lpm/enforcer/plan"
)

// TestRandomRules holds what libseccomp makes of rules, merged and sorted as
// it likes, against the rules read one by one.
func TestRandomRules(t *testing.T) {
	seeds := uint64(600)
	if testing.Short() {
		seeds = 60
	}
	for seed := range seeds {
		f := randomFilter(seed)
		agree(t, f, compiled(t, f), seed)
		if t.Failed() {
			t.Fatalf("seed %d, rules %+v", seed, f.Rules)
		}
	}
}

// Values, masks and arguments are drawn from few numbers whose halves are
// alike, so that comparisons often nearly hold.
var (
	pool = []uint64{
		0, 1, 2, 3, 0xf, 0x1_0000_0000, 0x1_0000_0001, 0x2_0000_0001, 0x1_0000_0002,
		0xffff_ffff, 0xffff_ffff_0000_0000, 1<<63 | 1, ^uint64(0), ^uint64(0) - 1,
	}
	masks = []uint64{^uint64(0), 0xffff_ffff, 0xffff_ffff_0000_0000, 1, 0x1_0000_0001, 0xf, 1 << 63}
)

func pick[T any](r *rand.Rand, from []T) T { return from[r.IntN(len(from))] }

func randomFilter(seed uint64) plan.Filter {
	r := rand.New(rand.NewPCG(seed, 2))
	actions := []plan.Action{
		plan.ActionAllow, plan.ActionEPERM, plan.ActionENOSYS, plan.ActionNotify, plan.ActionKill,
	}
	f := filterOf(pick(r, actions))
	number := 0
	for range 1 + r.IntN(40) {
		number += 1 + r.IntN(25)
		action := pick(r, actions)
		for range 1 + r.IntN(2)*r.IntN(12) {
			rule := plan.Rule{Syscall: "call", Number: number, Action: action}
			if action != plan.ActionKill && r.IntN(2) == 0 {
				rule.When = randomWhen(r)
			}
			f.Rules = append(f.Rules, rule)
		}
	}
	return f
}

func randomWhen(r *rand.Rand) []plan.Compare {
	var when []plan.Compare
	for arg := range 6 {
		if r.IntN(3) == 0 {
			mask := pick(r, masks)
			when = append(when, plan.Compare{Arg: arg, Mask: mask, Value: pick(r, pool) & mask})
		}
	}
	return when
}

// agree runs the program on calls near the rules' edges and reports where it
// and the rules differ, or where a verdict that needs no argument looks at one
// and so would miss the kernel's bitmap.
func agree(t *testing.T, f plan.Filter, program bpf.Program, seed uint64) {
	t.Helper()
	r := rand.New(rand.NewPCG(seed, 3))
	native, _ := audit(f.Architecture)
	for range 4000 {
		rule := pick(r, f.Rules)
		d := bpf.Data{Number: int32(rule.Number), Arch: native, Pointer: r.Uint64()}
		for i := range d.Args {
			d.Args[i] = pick(r, pool)
		}
		for _, c := range rule.When {
			if r.IntN(5) > 0 {
				d.Args[c.Arg] = d.Args[c.Arg]&^c.Mask | c.Value
			}
		}
		got, want := program.Run(d), verdict(f, d)
		if got.Return != returned(want) {
			t.Fatalf("%+v gets %s, want %s", d, bpf.Action(got.Return), want)
		}
		if !got.Cacheable && unconditional(f, rule.Number) {
			t.Fatalf("call %d needs no argument, yet one is looked at\n%s", rule.Number, program)
		}
	}
}

func unconditional(f plan.Filter, number int) bool {
	return slices.ContainsFunc(f.Rules, func(r plan.Rule) bool { return r.Number == number && len(r.When) == 0 })
}

// TestProveFindsFaults changes one instruction at a time.
func TestProveFindsFaults(t *testing.T) {
	f := filterOf(plan.ActionEPERM,
		allow(1), allow(2), allow(9),
		allow(41, plan.Compare{Mask: 0xffff_ffff, Value: 2}, equals(1, 5)),
		allow(56, plan.Compare{Mask: 0x7e02_0000}),
		plan.Rule{Syscall: "other", Number: 100, Action: plan.ActionENOSYS},
	)
	program := compiled(t, f)
	if err := prove(f, program); err != nil {
		t.Fatal(err)
	}
	for i, in := range program {
		if i > 0 && emptyMask(program[i-1]) {
			// What follows an empty mask always holds.
			continue
		}
		for name, change := range map[string]func(*bpf.Instruction){
			"branches exchanged": func(in *bpf.Instruction) { in.JT, in.JF = in.JF, in.JT },
			"always the first":   func(in *bpf.Instruction) { in.JF = in.JT },
			"always the second":  func(in *bpf.Instruction) { in.JT = in.JF },
		} {
			broken := slices.Clone(program)
			change(&broken[i])
			if slices.Equal(broken, program) {
				continue
			}
			if err := prove(f, broken); !errors.Is(err, ErrMiscompiled) {
				t.Errorf("instruction %d (%+v), %s: %v\n%s", i, in, name, err, program)
			}
		}
	}
}

func emptyMask(in bpf.Instruction) bool {
	return in.K == 0 && strings.HasSuffix(bpf.Program{in}.String(), "and 0x0\n")
}

// TestProveKnowsOtherRules holds a program against rules that differ in one
// thing.
func TestProveKnowsOtherRules(t *testing.T) {
	base := filterOf(plan.ActionEPERM, allow(1), allow(41, equals(0, 2)))
	program := compiled(t, base)
	for name, other := range map[string]plan.Filter{
		"another default":   filterOf(plan.ActionENOSYS, base.Rules...),
		"a call more":       filterOf(plan.ActionEPERM, allow(1), allow(2), allow(41, equals(0, 2))),
		"a call fewer":      filterOf(plan.ActionEPERM, allow(41, equals(0, 2))),
		"a rare call more":  filterOf(plan.ActionEPERM, allow(1), allow(41, equals(0, 2)), allow(5000)),
		"another value":     filterOf(plan.ActionEPERM, allow(1), allow(41, equals(0, 3))),
		"another high half": filterOf(plan.ActionEPERM, allow(1), allow(41, equals(0, 1<<32|2))),
		"the low half only": filterOf(plan.ActionEPERM, allow(1), allow(41, plan.Compare{Mask: 0xffff_ffff, Value: 2})),
		"another argument":  filterOf(plan.ActionEPERM, allow(1), allow(41, equals(1, 2))),
		"no comparison":     filterOf(plan.ActionEPERM, allow(1), allow(41)),
	} {
		t.Run(name, func(t *testing.T) {
			if err := prove(other, program); !errors.Is(err, ErrMiscompiled) {
				t.Errorf("got %v, want %v", err, ErrMiscompiled)
			}
		})
	}
}

// TestActionsOfOneCall: alternatives may have different actions where no call
// is of two of them.
func TestActionsOfOneCall(t *testing.T) {
	actions := []plan.Action{plan.ActionAllow, plan.ActionEPERM, plan.ActionENOSYS, plan.ActionNotify, plan.ActionKill}
	for seed := range uint64(200) {
		r := rand.New(rand.NewPCG(seed, 4))
		f := filterOf(pick(r, actions), allow(15))
		var split func(first, size uint64)
		split = func(first, size uint64) {
			if size > 1 && r.IntN(3) > 0 {
				split(first, size/2)
				split(first+size/2, size/2)
				return
			}
			when := []plan.Compare{{Arg: 1, Mask: 0xffff_ffff &^ (size - 1), Value: first}}
			f.Rules = append(f.Rules, plan.Rule{Syscall: "call", Number: 16, Action: pick(r, actions), When: when})
		}
		split(0, 16)
		f.Rules = append(f.Rules, allow(17))
		agree(t, f, compiled(t, f), seed)
		if t.Failed() {
			t.Fatalf("seed %d, rules %+v", seed, f.Rules)
		}
	}
}

// TestCompileAll: what several filters do together, and in which order they
// cannot be one.
func TestCompileAll(t *testing.T) {
	notify := plan.Rule{Syscall: "call", Number: 16, Action: plan.ActionNotify, When: []plan.Compare{equals(1, 2)}}
	refuse := plan.Rule{Syscall: "call", Number: 16, Action: plan.ActionEPERM, When: []plan.Compare{equals(1, 3)}}
	guard, list := filterOf(plan.ActionAllow, notify, refuse), filterOf(plan.ActionNotify, allow(15), allow(16))
	raw, err := CompileAll([]plan.Filter{guard, list})
	if err != nil {
		t.Fatal(err)
	}
	program, err := bpf.Decode(raw)
	if err != nil {
		t.Fatal(err)
	}
	native, _ := audit(guard.Architecture)
	for _, test := range []struct {
		number int32
		arg    uint64
		want   plan.Action
	}{
		{15, 2, plan.ActionAllow}, {16, 1, plan.ActionAllow}, {16, 2, plan.ActionNotify}, {16, 3, plan.ActionEPERM}, {17, 2, plan.ActionNotify},
	} {
		got := program.Run(bpf.Data{Number: test.number, Arch: native, Args: [6]uint64{0, test.arg}}).Return
		if got != returned(test.want) {
			t.Errorf("call %d with %d gets %s, want %s", test.number, test.arg, bpf.Action(got), test.want)
		}
	}
	for _, second := range []plan.Filter{filterOf(plan.ActionAllow, refuse), filterOf(plan.ActionENOSYS, allow(16))} {
		if _, err := CompileAll([]plan.Filter{guard, second}); err == nil {
			t.Errorf("%+v after a filter that notifies", second)
		}
	}
}
