package cmd_test

import (
	"encoding/json"
	"os"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"github.com/rogpeppe/go-internal/testscript"

	"github.com/least-privilege/lpm/enforcer/plan"
)

// sameCalls holds a dry run against a trace of the launch: the process that
// executed the program has made the plan's operations, each of them, in their
// order and with the texts that the plan has, and no other. So has the first
// process, where that is another.
func sameCalls(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 2 {
		ts.Fatalf("usage: same-calls PLAN TRACE")
	}
	var p plan.Plan
	ts.Check(json.Unmarshal([]byte(ts.ReadFile(args[0])), &p))
	trace, err := os.ReadFile(ts.MkAbs(args[1]))
	ts.Check(err)
	program := p.Ops
	if p.Init != nil {
		fork := slices.IndexFunc(p.Ops, func(op plan.Op) bool { return op.Call == "clone" })
		program = p.Ops[fork+1:]
		// Up to where it waits for the first time.
		first := slices.Concat(p.Ops[:fork+1], p.Init.Ops, []plan.Op{p.Init.Wait})
		sameOps(ts, first, callsOf(string(trace), p.Init.Wait.Call))
	}
	sameOps(ts, program, callsOf(string(trace), "execveat"))
}

func sameOps(ts *testscript.TestScript, ops []plan.Op, made []string) {
	for i, op := range ops {
		if i >= len(made) {
			ts.Fatalf("the plan has %d operations, the trace ends after %d, before %s", len(ops), len(made), op)
		}
		call, rest, _ := strings.Cut(made[i], "(")
		if call != op.Call {
			ts.Fatalf("operation %d is %s, and the call was %s", i, op, made[i])
		}
		for _, text := range texts(op) {
			if !strings.Contains(rest, strconv.Quote(text)) {
				ts.Fatalf("operation %d is %s, and the call was %s", i, op, made[i])
			}
		}
	}
	if len(made) != len(ops) {
		ts.Fatalf("the plan has %d operations, and %d calls were made; after the last: %s", len(ops), len(made), made[len(ops)])
	}
}

// texts are those that strace prints as they are.
func texts(op plan.Op) []string {
	var all []string
	for _, a := range op.Args {
		if a.Text != nil && *a.Text != "" {
			all = append(all, *a.Text)
		}
		all = append(all, a.List...)
	}
	if op.Call == "prctl" {
		// A tracer cannot read them in a process that is not dumpable.
		return nil
	}
	if op.Call == "execveat" {
		// Of the environment strace prints how many settings it has.
		all = op.Args[2].List
	}
	return all
}

// callsOf returns the calls of the process that first makes the last of them, up
// to that one, without those by which it waits to be told the plan's; see
// launch.Hold.
func callsOf(trace, last string) []string {
	started := regexp.MustCompile(`^(\d+) +([a-z0-9_]+\(.*)$`)
	byProcess := map[string][]string{}
	for line := range strings.Lines(trace) {
		m := started.FindStringSubmatch(strings.TrimSuffix(line, "\n"))
		if m == nil {
			continue
		}
		byProcess[m[1]] = append(byProcess[m[1]], m[2])
		if !strings.HasPrefix(m[2], last+"(") {
			continue
		}
		calls := byProcess[m[1]]
		for _, waits := range []string{"prctl(PR_SET_PDEATHSIG, SIGKILL", "ppoll(", "read(", "unshare(CLONE_FILES"} {
			if len(calls) > 0 && strings.HasPrefix(calls[0], waits) {
				calls = calls[1:]
			}
		}
		return calls
	}
	return nil
}
