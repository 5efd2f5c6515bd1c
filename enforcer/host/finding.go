package host

import (
	"context"
	"errors"
	"fmt"

	"golang.org/x/sys/unix"

	"github.com/least-privilege/lpm/enforcer/launch"
)

// State is what a probe came to.
type State string

// The states. Inconclusive is neither of the others: the question itself
// could not be answered.
const (
	Present      State = "present"
	Missing      State = "missing"
	Inconclusive State = "inconclusive"
)

// Finding is one ability of the machine.
type Finding struct {
	// Name is stable, such as "user-namespaces".
	Name string `json:"name"`
	// Use says in a few words what lpm does with it.
	Use   string `json:"use"`
	State State  `json:"state"`
	// Required tells that lpm run refuses, or fails, without it.
	Required bool `json:"required"`
	// Detail says what was found, in one line.
	Detail string `json:"detail,omitempty"`
	// Hint is the command or setting that mends it; empty where Present, or
	// where nothing does.
	Hint string `json:"hint,omitempty"`
}

// Inspect tries every ability that lpm uses and returns all findings, in a
// fixed order. data is lpm's data folder, which need not exist. Unlike [Probe]
// it starts child processes, for what a user namespace is good for can only be
// known by making one. It takes some 50 ms, leaves nothing behind, and returns
// the context's error if that ends first.
func Inspect(ctx context.Context, data string) ([]Finding, error) {
	m, err := here()
	if err != nil {
		return nil, err
	}
	return m.inspect(ctx, data)
}

func (m machine) inspect(ctx context.Context, data string) ([]Finding, error) {
	i := &inspection{machine: m, data: data, found: map[string]State{}}
	var all []Finding
	for _, p := range i.probes() {
		f := p.Finding
		if lacking := i.lacking(p.needs); lacking != "" {
			f = f.settle(false, fmt.Errorf("cannot be told without %s", lacking))
		} else {
			f = p.ask(ctx, f)
		}
		if err := ctx.Err(); err != nil {
			return nil, err
		}
		i.found[f.Name] = f.State
		all = append(all, f)
	}
	return all, nil
}

// inspection is one call of Inspect.
type inspection struct {
	machine
	data string
	// found is what the probes so far came to.
	found map[string]State
}

// lacking returns the first of these findings that is not present, or "".
func (i *inspection) lacking(needs []string) string {
	for _, name := range needs {
		if i.found[name] != Present {
			return name
		}
	}
	return ""
}

// settle completes a finding from the answer to its question.
func (f Finding) settle(present bool, err error) Finding {
	switch {
	case err != nil:
		f.State, f.Detail, f.Hint = Inconclusive, err.Error(), ""
	case present:
		f.State, f.Hint = Present, ""
	default:
		f.State = Missing
	}
	return f
}

// tried completes a finding from what came of a trial. The kernel's refusal is
// an answer; its want of memory or of descriptors is none.
func (f Finding) tried(err error) Finding {
	var op *launch.OpError
	switch {
	case err == nil:
		return f.settle(true, nil)
	case !errors.As(err, &op), transient(err):
		return f.settle(false, err)
	}
	f.Detail = err.Error()
	if remedy := op.Remedy(); remedy != "" {
		f.Hint = remedy
	}
	return f.settle(false, nil)
}

// transient reports whether an error is about the moment and not the machine.
func transient(err error) bool {
	for _, errno := range []unix.Errno{unix.EAGAIN, unix.EINTR, unix.EIO, unix.EMFILE, unix.ENFILE, unix.ENOMEM} {
		if errors.Is(err, errno) {
			return true
		}
	}
	return false
}

func (i *inspection) findKernel(_ context.Context, f Finding) Finding {
	release, err := kernelRelease()
	f.Detail = "Linux " + release
	return f.settle(atLeast(release, 5, 14), err)
}

// atLeast tells whether a release such as "6.1.0-18-amd64" is major.minor or
// later.
func atLeast(release string, major, minor int) bool {
	var a, b int
	if n, _ := fmt.Sscanf(release, "%d.%d", &a, &b); n != 2 {
		return false
	}
	return a > major || a == major && b >= minor
}
