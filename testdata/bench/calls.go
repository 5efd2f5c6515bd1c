package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"strconv"

	"golang.org/x/sys/unix"

	"github.com/least-privilege/lpm/enforcer/filter/bpf"
	"github.com/least-privilege/lpm/manifest"
)

// A call is a system call that costs the kernel next to nothing, whose
// arguments are all numbers.
type call struct {
	text   string
	number int
	args   []uint64
}

// byNumber is a call that every filter allows whatever its arguments.
func byNumber() []call { return []call{{"getpid()", unix.SYS_GETPID, nil}} }

// byArgument are calls that one filter or the other allows for an argument.
func byArgument() []call {
	return []call{
		{"ioctl(-1, TCGETS)", unix.SYS_IOCTL, []uint64{1<<32 - 1, unix.TCGETS}},
		{"personality(0xffffffff)", unix.SYS_PERSONALITY, []uint64{1<<32 - 1}},
	}
}

func refused() call { return call{"keyctl(-1)", unix.SYS_KEYCTL, []uint64{1<<32 - 1}} }

func typing() call {
	return call{"ioctl(-1, TIOCSTI)", unix.SYS_IOCTL, []uint64{1<<32 - 1, unix.TIOCSTI}}
}

func binding() call { return call{"bind(-1)", unix.SYS_BIND, []uint64{1<<32 - 1, 0, 0}} }

// A trial is one call, made under a filter and without.
type trial struct {
	what string
	call
	under, free *alternative
}

// caller measures calls that are made in one way.
type caller struct {
	command []string // with what makes calls, to which how, count and call are added
	env     []string
	how     string
}

// How often in a row a call is made that the kernel answers, and one that
// another process does.
const (
	often  = 20000
	seldom = 300
)

// of returns a measurement of a call, in nanoseconds. errno is what the call
// has to fail with, or 0 for anything but EPERM.
func (c caller) of(call call, count int, errno unix.Errno) func(context.Context) ([]float64, error) {
	args := append(c.command[1:len(c.command):len(c.command)], c.how, strconv.Itoa(count), strconv.Itoa(call.number))
	for _, a := range call.args {
		args = append(args, strconv.FormatUint(a, 10))
	}
	return func(ctx context.Context) ([]float64, error) {
		cmd := exec.CommandContext(ctx, c.command[0], args...)
		cmd.Env = append(os.Environ(), c.env...)
		out, err := cmd.Output()
		if err != nil {
			var ended *exec.ExitError
			if errors.As(err, &ended) {
				err = fmt.Errorf("%w: %s", err, gist(string(ended.Stderr)))
			}
			return nil, err
		}
		var took float64
		var got unix.Errno
		if _, err := fmt.Sscan(string(out), &took, (*uintptr)(&got)); err != nil {
			return nil, fmt.Errorf("reading %q: %w", out, err)
		}
		if errno != 0 && got != errno || errno == 0 && got == unix.EPERM {
			return nil, fmt.Errorf("%s ended with %s", call.text, unix.ErrnoName(got))
		}
		return []float64{took}, nil
	}
}

// calls compares what a call costs under filters and without.
func (b *bench) calls(ctx context.Context) error {
	m, err := b.propose(ctx, "redis")
	if err != nil {
		return err
	}
	image, program, err := b.callsImage(ctx, unbounded(m))
	if err != nil {
		return err
	}
	_, file, err := b.dockerFilter()
	if err != nil {
		return err
	}
	docker, err := readProgram(file)
	if err != nil {
		return err
	}
	all, err := b.trials(
		confined{program, caller{append(image.run, "--"), image.env, "free"}},
		confined{docker, caller{[]string{b.caller}, nil, "filter:" + file}})
	if err != nil {
		return err
	}
	var alternatives []*alternative
	for _, t := range all {
		alternatives = append(alternatives, t.under, t.free)
	}
	rounds := b.rarely(40)
	if err := takeTurns(ctx, rounds, alternatives); err != nil {
		return err
	}
	return printTrials(all, rounds)
}

// confined is a filter, and what makes calls under it.
type confined struct {
	program bpf.Program
	caller
}

// trials are the calls to compare: of the ones that a filter decides alone, for
// lpm and Docker; then those that only lpm has.
func (b *bench) trials(lpm, docker confined) ([]*trial, error) {
	free := caller{[]string{b.caller}, nil, "free"}
	var all []*trial
	add := func(what string, c call, how caller, count int, errno unix.Errno) {
		all = append(all, &trial{
			what: what, call: c,
			under: &alternative{name: what, measure: how.of(c, count, errno)},
			free:  &alternative{name: c.text, measure: free.of(c, often, 0)},
		})
	}
	for _, f := range []struct {
		name string
		confined
	}{{"lpm", lpm}, {"Docker", docker}} {
		number, okNumber := first(f.program, byNumber(), true)
		argument, okArgument := first(f.program, byArgument(), false)
		if !okNumber || !okArgument {
			return nil, fmt.Errorf("the filter of %s allows none of the calls to be tried", f.name)
		}
		add(f.name+": allowed by its number", number, f.caller, often, 0)
		add(f.name+": allowed by an argument", argument, f.caller, often, 0)
	}
	add("Docker: refused", refused(), docker.caller, often, unix.EPERM)
	add("lpm: refused by the filter", typing(), lpm.caller, often, unix.EPERM)
	add("lpm: refused by the supervisor", refused(), lpm.caller, seldom, unix.EPERM)
	add("lpm: granted by the supervisor", binding(), lpm.caller, seldom, 0)
	add("granted by one in C that looks at nothing", binding(), caller{[]string{b.caller}, nil, "notify"}, seldom, 0)
	return all, nil
}

func printTrials(all []*trial, rounds int) error {
	t := table{title: fmt.Sprintf("System calls under the filter of redis's proposal (lpm run) and Docker's default, %d times each", rounds)}
	t.row("", "", "of without", "ns more", "median ns", "ns without")
	for _, a := range all {
		with, without := a.under.median(0), a.free.median(0)
		t.row(a.what, a.text, fmt.Sprintf("%.2f", with/without), figure(with-without), figure(with), figure(without))
	}
	return t.print()
}

// callsImage approves the redis image with one more program in it, which makes
// the calls, and returns also the filter that it is under.
func (b *bench) callsImage(ctx context.Context, m manifest.Manifest) (*launchable, bpf.Program, error) {
	const name = "calls"
	if err := b.withProgram("redis", b.caller, name); err != nil {
		return nil, nil, err
	}
	m.Execute = []manifest.Program{{Path: "/" + name}}
	image, err := b.approve(ctx, name, name, m)
	if err != nil {
		return nil, nil, err
	}
	if err := image.anyway(ctx); err != nil {
		return nil, nil, err
	}
	p, err := image.plan(ctx)
	if err != nil {
		return nil, nil, err
	}
	program, err := compile(p.Filters)
	return image, program, err
}
