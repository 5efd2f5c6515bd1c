// Package limit holds a container to those bounds of its plan that a control
// group sets.
//
// Whoever makes the group, the limits are in force before the container is let
// go, and the group goes away with it, also when the launcher is killed: a
// scope ends with its processes, and what lpm has made itself is swept away by
// the next launch.
package limit

import (
	"context"
	"errors"
	"fmt"
	"os"

	"github.com/least-privilege/lpm/enforcer/cgroup"
	"github.com/least-privilege/lpm/enforcer/cgroup/scope"
	"github.com/least-privilege/lpm/enforcer/plan"
)

// Group is a container's control group. It is to be closed after the
// container has ended. Its methods are for one goroutine at a time.
type Group struct {
	made
	plan *plan.Plan
}

// made is a group of one kind.
type made interface {
	name() string
	dir() *os.File
	attach(ctx context.Context, pid int) error
	close() error
}

// Open prepares the group that the plan names, on the machine that it was made
// for. Where the plan has none, so has the container, and all that is done
// with the result has no effect. Errors are of type [*cgroup.Error] or
// [*scope.Error].
func Open(ctx context.Context, p *plan.Plan, h plan.Host) (*Group, error) {
	name, r := cgroup.NewName(), p.Group.Resources
	var m made
	switch p.Group.Kind {
	case plan.GroupNone:
		m = none{}
	case plan.GroupDelegated:
		cgroup.Sweep(h.Cgroup)
		g, err := cgroup.New(h.Cgroup, name, r)
		if err != nil {
			return nil, err
		}
		m = delegated{g}
	case plan.GroupScope:
		// Connecting here makes a dead bus an error before there is a child.
		c, err := scope.Connect(ctx, h.Manager.Addresses)
		if err != nil {
			return nil, err
		}
		m = scoped{c, scope.Request{Name: name + scope.Suffix, Description: "lpm container of " + p.Image, Resources: r}}
	case plan.GroupV1:
		for _, parent := range h.Cgroup1 {
			cgroup.Sweep(parent)
		}
		g, err := cgroup.NewV1(h.Cgroup1, name, r)
		if err != nil {
			return nil, err
		}
		m = v1{g}
	default:
		return nil, fmt.Errorf("the plan has a control group of an unknown kind, %q", p.Group.Kind)
	}
	return &Group{made: m, plan: p}, nil
}

// Dir returns the folder of the cgroup (v2) to start the container in, or nil.
// It belongs to the group.
func (g *Group) Dir() *os.File { return g.dir() }

// Attach puts the container's first process into the group, unless it was
// started there. It is called before the process is let go.
func (g *Group) Attach(ctx context.Context, pid int) error { return g.attach(ctx, pid) }

// Enforcement says what the container is held to, and by what.
func (g *Group) Enforcement() plan.Enforcement { return g.plan.Enforcement(g.name()) }

// Close removes the group, as far as lpm has made it.
func (g *Group) Close() error { return g.close() }

// none stands for no group.
type none struct{}

func (none) name() string                      { return "" }
func (none) dir() *os.File                     { return nil }
func (none) attach(context.Context, int) error { return nil }
func (none) close() error                      { return nil }

// delegated is a group below a delegated folder, which the container is
// started in.
type delegated struct{ group *cgroup.Group }

func (d delegated) name() string                      { return d.group.Path() }
func (d delegated) dir() *os.File                     { return d.group.Dir() }
func (d delegated) attach(context.Context, int) error { return nil }
func (d delegated) close() error                      { return d.group.Close() }

// scoped is a scope that systemd makes.
type scoped struct {
	conn    *scope.Conn
	request scope.Request
}

func (s scoped) name() string  { return s.request.Name }
func (s scoped) dir() *os.File { return nil }
func (s scoped) close() error  { return s.conn.Close() }

func (s scoped) attach(ctx context.Context, pid int) error {
	s.request.PID = pid
	_, err := s.conn.Start(ctx, s.request)
	// Nothing more is asked of systemd.
	return errors.Join(err, s.conn.Close())
}

// v1 is a group of each controller of cgroup v1.
type v1 struct{ group *cgroup.V1 }

func (v v1) name() string                            { return v.group.Name() }
func (v v1) dir() *os.File                           { return nil }
func (v v1) attach(_ context.Context, pid int) error { return v.group.Attach(pid) }
func (v v1) close() error                            { return v.group.Close() }
