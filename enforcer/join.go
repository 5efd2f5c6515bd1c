package enforcer

import (
	"context"
	"fmt"

	"github.com/least-privilege/lpm/enforcer/container"
	"github.com/least-privilege/lpm/enforcer/launch"
	"github.com/least-privilege/lpm/enforcer/plan"
)

// Joining is a process that is ready to join a container.
type Joining struct {
	container.Joining
	// Program is the program's path in the container, free of symbolic links,
	// As the path that it was found under, and Interpreter the program that a
	// script's first line names.
	Program, As, Interpreter string
}

// PrepareJoin makes a further process ready of the container that a job in
// record mode was prepared for: the job with the process's command for an entry
// point. Its errors are those of [Prepare].
func PrepareJoin(ctx context.Context, j Job) (*Joining, error) {
	h, err := Probe(ctx)
	if err != nil {
		return nil, err
	}
	p := &preparation{Job: j, host: h, identity: j.Options.Identity}
	survey, err := p.look(ctx)
	if err != nil {
		return nil, err
	}
	made, err := plan.NewJoin(plan.Request{
		Mode: j.Mode, Host: h, Options: j.Options,
		Image: plan.Image{Digest: j.Digest, Config: j.Config, Survey: survey},
	})
	if err != nil {
		return nil, err
	}
	filters, err := compileFilters(made)
	if err != nil {
		return nil, fmt.Errorf("compiling the system call filters: %w", err)
	}
	program, err := launch.Compile(made, filters)
	if err != nil {
		return nil, err
	}
	joining := &Joining{
		Joining: container.Joining{
			Plan: made, Program: program, Given: launch.Given{Args: made.Process.Args, Env: made.Process.Env},
			Ops: func() ([]plan.Op, error) { return made.Operations(), nil },
		},
		Program: survey.Entry, As: survey.Found,
	}
	if len(survey.Prefix) > 0 {
		joining.Interpreter = survey.Program
	}
	return joining, nil
}
