package main

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
)

// launcher is one way of starting a container.
type launcher struct {
	name string
	command
}

// launch compares how long it takes to run a program that does nothing, from
// the start of the launcher to its end.
func (b *bench) launch(ctx context.Context) error {
	tree, err := b.unpack(ctx, "tiny")
	if err != nil {
		return err
	}
	m, err := b.propose(ctx, "tiny")
	if err != nil {
		return err
	}
	tiny, err := b.approve(ctx, "tiny", "plain", unbounded(m))
	if err != nil {
		return err
	}
	docker, filter, err := b.dockerFilter()
	if err != nil {
		return err
	}
	bare, filtered := filepath.Join(b.work, "bare"), filepath.Join(b.work, "filtered")
	if err := errors.Join(writeBundle(bare, tree, nil), writeBundle(filtered, tree, docker.profile)); err != nil {
		return err
	}
	place := b.placeForCrun(ctx, bare)
	root := []string{"--ro-bind", tree, "/", "--proc", "/proc"}
	all := []launcher{
		{"lpm run", command{args: tiny.run, env: tiny.env}},
		{"bwrap --unshare-all", command{args: append(append([]string{"bwrap", "--unshare-all"}, root...),
			"--tmpfs", "/tmp", "/bin/true")}},
		// As near to what lpm does as bwrap's options get.
		{"bwrap, filter and more", command{input: filter, args: append(append([]string{"bwrap", "--unshare-all"}, root...),
			"--dev", "/dev", "--tmpfs", "/dev/shm", "--hostname", "lpm", "--die-with-parent", "--new-session",
			"--cap-drop", "ALL", "--clearenv", "--setenv", "PATH", "/bin", "--seccomp", "3", "/bin/true")}},
		{"crun", b.crun(bare, place)},
		{"crun, filter", b.crun(filtered, place)},
		{"runc", b.runc(bare)},
		{"runc, filter", b.runc(filtered)},
		{"C floor", command{args: []string{b.floor, tree, "/bin/true"}}},
		{"Go floor", command{args: []string{b.goFloor, tree, "/bin/true"}}},
		{"Go that does nothing", command{args: []string{b.goFloor}}},
		{"no container", command{args: []string{filepath.Join(tree, "bin/true")}}},
	}
	c := &comparison{
		title:      "Launching /bin/true (one static program); filters of others are Docker's default",
		quantities: launchQuantities(), rounds: b.rounds,
	}
	return timeLaunches(ctx, c, all)
}

func launchQuantities() []quantity {
	return []quantity{{unit: "ms", tail: true}, {unit: "processor ms"}}
}

// timeLaunches adds to a comparison the launchers that work here, names the
// others, and runs it. The first has to work.
func timeLaunches(ctx context.Context, c *comparison, all []launcher) error {
	for i, l := range all {
		err := l.try(ctx)
		switch {
		case err != nil && i == 0:
			return fmt.Errorf("%s: %w", l.name, err)
		case err != nil:
			fmt.Printf("\nNot compared: %s: %v\n", l.name, err)
			continue
		}
		s, err := l.start(ctx)
		if err != nil {
			return fmt.Errorf("%s: %w", l.name, err)
		}
		defer s.close()
		c.all = append(c.all, &alternative{name: l.name, measure: s.measure})
	}
	return c.run(ctx)
}
