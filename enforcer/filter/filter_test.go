package filter

import (
	"errors"
	"runtime"
	"strings"
	"testing"

	"github.com/least-privilege/lpm/enforcer/filter/bpf"
	"github.com/least-privilege/lpm/enforcer/plan"
)

// allow returns a rule that allows a call under the comparisons.
func allow(number int, when ...plan.Compare) plan.Rule {
	return plan.Rule{Syscall: "call", Number: number, Action: plan.ActionAllow, When: when}
}

// equals compares all bits of an argument.
func equals(arg int, value uint64) plan.Compare {
	return plan.Compare{Arg: arg, Mask: ^uint64(0), Value: value}
}

func filterOf(fallback plan.Action, rules ...plan.Rule) plan.Filter {
	return plan.Filter{Architecture: runtime.GOARCH, Default: fallback, Rules: rules}
}

func compiled(t testing.TB, f plan.Filter) bpf.Program {
	t.Helper()
	raw, err := Compile(f)
	if err != nil {
		t.Fatal(err)
	}
	p, err := bpf.Decode(raw)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

func TestVerdicts(t *testing.T) {
	native, foreign := audit(runtime.GOARCH)
	int32Is2 := plan.Compare{Arg: 0, Mask: 0xffffffff, Value: 2}
	f := filterOf(plan.ActionEPERM,
		allow(1),
		allow(41, int32Is2),
		allow(41, equals(0, 16), equals(2, 15)),
		allow(56, plan.Compare{Arg: 0, Mask: 0x7e020000}),
		plan.Rule{Syscall: "newer", Number: 435, Action: plan.ActionENOSYS},
		plan.Rule{Syscall: "newest", Number: 470, Action: plan.ActionNotify},
		plan.Rule{Syscall: "of tomorrow", Number: 900, Action: plan.ActionAllow},
		plan.Rule{Syscall: "of the day after", Number: 70_000, Action: plan.ActionKill},
	)
	program := compiled(t, f)
	for _, test := range []struct {
		name string
		call bpf.Data
		want string
	}{
		{"allowed", bpf.Data{Number: 1}, "ALLOW"},
		{"not in the list", bpf.Data{Number: 2}, "ERRNO(1)"},
		{"first alternative", bpf.Data{Number: 41, Args: [6]uint64{2}}, "ALLOW"},
		{"first alternative, stray high half", bpf.Data{Number: 41, Args: [6]uint64{7<<32 | 2}}, "ALLOW"},
		{"second alternative", bpf.Data{Number: 41, Args: [6]uint64{16, 9, 15}}, "ALLOW"},
		{"second alternative, half of it", bpf.Data{Number: 41, Args: [6]uint64{16, 9, 14}}, "ERRNO(1)"},
		{"second alternative, wrong high half", bpf.Data{Number: 41, Args: [6]uint64{1<<32 | 16, 9, 15}}, "ERRNO(1)"},
		{"neither alternative", bpf.Data{Number: 41, Args: [6]uint64{17}}, "ERRNO(1)"},
		{"flags that are not asked about", bpf.Data{Number: 56, Args: [6]uint64{0x11}}, "ALLOW"},
		{"flags that must be clear", bpf.Data{Number: 56, Args: [6]uint64{0x10000011}}, "ERRNO(1)"},
		{"unknown to old libraries, refused", bpf.Data{Number: 435}, "ERRNO(38)"},
		{"unknown to this library, supervised", bpf.Data{Number: 470}, "USER_NOTIF"},
		{"unknown to every library, allowed", bpf.Data{Number: 900}, "ALLOW"},
		{"unknown to every library, killed", bpf.Data{Number: 70_000}, "KILL_PROCESS"},
		{"a tracer's skipped call", bpf.Data{Number: -1}, "ERRNO(1)"},
		{"a 32-bit call", bpf.Data{Number: 1, Arch: foreign}, "KILL_PROCESS"},
		{"no architecture", bpf.Data{Number: 1, Arch: 1}, "KILL_PROCESS"},
	} {
		t.Run(test.name, func(t *testing.T) {
			if test.call.Arch == 0 {
				test.call.Arch = native
			}
			if got := bpf.Action(program.Run(test.call).Return); got != test.want {
				t.Errorf("got %s, want %s\n%s", got, test.want, program)
			}
		})
	}
}

func TestX32IsKilled(t *testing.T) {
	if runtime.GOARCH != "amd64" {
		// No other architecture has such an ABI.
		return
	}
	program := compiled(t, filterOf(plan.ActionAllow, plan.Rule{Syscall: "call", Number: 1, Action: plan.ActionEPERM}))
	for _, number := range []int32{bpf.X32Bit, bpf.X32Bit | 1, bpf.X32Bit | 520, -2} {
		got := program.Run(bpf.Data{Number: number, Arch: bpf.ArchX86_64}).Return
		if bpf.Action(got) != "KILL_PROCESS" {
			t.Errorf("call %#x gets %s", number, bpf.Action(got))
		}
	}
}

func TestRefusedRules(t *testing.T) {
	for _, test := range []struct {
		name  string
		rules []plan.Rule
		want  string
	}{
		{"unknown action", []plan.Rule{{Number: 1, Action: "log"}}, `unknown action "log"`},
		{"no action", []plan.Rule{{Number: 1}}, `unknown action ""`},
		{"below zero, where libseccomp keeps its own numbers", []plan.Rule{allow(-101)}, "number out of range"},
		{"x32", []plan.Rule{allow(bpf.X32Bit)}, "number out of range"},
		{"unsorted", []plan.Rule{allow(2), allow(1)}, "not sorted"},
		{"two actions", []plan.Rule{allow(2), {Number: 2, Action: plan.ActionKill}}, "different actions"},
		{"two actions for some calls", []plan.Rule{
			allow(2, equals(1, 3)), {Number: 2, Action: plan.ActionNotify, When: []plan.Compare{{Arg: 1, Mask: 0xf0}}},
		}, "different actions"},
		{"two actions, of different arguments", []plan.Rule{
			allow(2, equals(1, 3)), {Number: 2, Action: plan.ActionNotify, When: []plan.Compare{equals(2, 4)}},
		}, "different actions"},
		{"a seventh argument", []plan.Rule{allow(1, equals(6, 1))}, "no argument 6"},
		{"an argument before the first", []plan.Rule{allow(1, equals(-1, 1))}, "no argument -1"},
		{"one argument twice", []plan.Rule{allow(1, equals(2, 1), equals(2, 1))}, "two comparisons of argument 2"},
		{"a mask forgotten", []plan.Rule{allow(1, plan.Compare{Arg: 1, Value: 2})}, "mask of argument 1 is empty"},
		{"never true", []plan.Rule{allow(1, plan.Compare{Mask: 0xf, Value: 0x1f})}, "is never 0x1f"},
	} {
		t.Run(test.name, func(t *testing.T) {
			_, err := Compile(filterOf(plan.ActionEPERM, test.rules...))
			var rule *RuleError
			if !errors.As(err, &rule) || !strings.Contains(rule.Problem, test.want) {
				t.Errorf("got %v, want %q", err, test.want)
			}
		})
	}
}

func TestRefusedFilters(t *testing.T) {
	foreign := filterOf(plan.ActionEPERM, allow(1))
	foreign.Architecture = map[string]string{"amd64": "arm64", "arm64": "amd64"}[runtime.GOARCH]
	if _, err := Compile(foreign); !errors.Is(err, ErrArchitecture) {
		t.Errorf("a foreign architecture: got %v, want %v", err, ErrArchitecture)
	}
	if _, err := Compile(filterOf("", allow(1))); err == nil {
		t.Error("a filter without a default was compiled")
	}
}

func TestTooLong(t *testing.T) {
	comparisons, alternatives, rules := filterOf(plan.ActionEPERM), filterOf(plan.ActionEPERM), filterOf(plan.ActionEPERM)
	for n := range MaxComparisons / 2 {
		v := uint64(n+1)<<32 | 1
		comparisons.Rules = append(comparisons.Rules, allow(n, equals(0, v), equals(1, v), equals(2, v)))
	}
	for n := range MaxComparisons {
		alternatives.Rules = append(alternatives.Rules, allow(16, equals(1, uint64(n)<<32|uint64(n))))
	}
	for range bpf.MaxInstructions + 1 {
		rules.Rules = append(rules.Rules, allow(1))
	}
	for name, f := range map[string]plan.Filter{
		"comparisons":  comparisons,
		"instructions": alternatives,
		"rules":        rules,
	} {
		t.Run(name, func(t *testing.T) {
			if _, err := Compile(f); !errors.Is(err, ErrTooLong) || !strings.Contains(err.Error(), name) {
				t.Errorf("got %v, want %v for its %s", err, ErrTooLong, name)
			}
		})
	}
}

func TestManyRules(t *testing.T) {
	many := filterOf(plan.ActionEPERM)
	for n := range 1500 {
		many.Rules = append(many.Rules, allow(2*n))
	}
	commands := filterOf(plan.ActionENOSYS)
	for n := range 1001 {
		commands.Rules = append(commands.Rules, allow(16, plan.Compare{Arg: 1, Mask: 0xffffffff, Value: 0x5401 + uint64(n)}))
	}
	for name, f := range map[string]plan.Filter{"calls": many, "alternatives": commands} {
		t.Run(name, func(t *testing.T) { agree(t, f, compiled(t, f), 1) })
	}
}

func TestRulesWithoutEffectAreLeftOut(t *testing.T) {
	base := filterOf(plan.ActionEPERM, allow(1), allow(3, equals(0, 1)))
	for name, f := range map[string]plan.Filter{
		"the default again":         filterOf(plan.ActionEPERM, allow(1), plan.Rule{Syscall: "call", Number: 2, Action: plan.ActionEPERM}, allow(3, equals(0, 1))),
		"the same rule twice":       filterOf(plan.ActionEPERM, allow(1), allow(1), allow(3, equals(0, 1)), allow(3, equals(0, 1))),
		"narrower than one before":  filterOf(plan.ActionEPERM, allow(1), allow(3, equals(0, 1)), allow(3, equals(0, 1), equals(1, 5))),
		"narrower than one after":   filterOf(plan.ActionEPERM, allow(1, equals(4, 4)), allow(1), allow(3, equals(0, 1))),
		"narrower in a single bit":  filterOf(plan.ActionEPERM, allow(1), allow(3, equals(0, 1), plan.Compare{Arg: 5, Mask: 8}), allow(3, equals(0, 1))),
		"narrower, and a duplicate": filterOf(plan.ActionEPERM, allow(1, equals(4, 4)), allow(1, equals(4, 4)), allow(1), allow(3, equals(0, 1))),
	} {
		t.Run(name, func(t *testing.T) {
			if got, want := compiled(t, f).String(), compiled(t, base).String(); got != want {
				t.Errorf("got\n%s\nwant\n%s", got, want)
			}
		})
	}
}

func TestSameRulesSameBytes(t *testing.T) {
	f := randomFilter(7)
	first := compiled(t, f).String()
	for range 5 {
		if again := compiled(t, f).String(); again != first {
			t.Fatalf("got\n%s\nafter\n%s", again, first)
		}
	}
}

func TestDisassembleRefusesWhatIsNoFilter(t *testing.T) {
	if text, err := Disassemble([]byte("no filter")); !errors.Is(err, bpf.ErrMalformed) {
		t.Errorf("got %q, %v", text, err)
	}
	raw, err := Compile(filterOf(plan.ActionEPERM, allow(1)))
	if err != nil {
		t.Fatal(err)
	}
	if text, err := Disassemble(raw); err != nil || !strings.Contains(text, "return ERRNO(1)\n") {
		t.Errorf("got %q, %v", text, err)
	}
}

func BenchmarkCompile(b *testing.B) {
	f := filterOf(plan.ActionNotify)
	for n := range 330 {
		f.Rules = append(f.Rules, allow(n))
	}
	for b.Loop() {
		if _, err := Compile(f); err != nil {
			b.Fatal(err)
		}
	}
}
