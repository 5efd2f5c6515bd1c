package main

import (
	"context"
	"fmt"
	"os/exec"

	"github.com/least-privilege/lpm/enforcer/container"
	"github.com/least-privilege/lpm/manifest"
)

// options compares what a launch costs with more to do.
func (b *bench) options(ctx context.Context) error {
	m, err := b.propose(ctx, "tiny")
	if err != nil {
		return err
	}
	plain, err := b.approve(ctx, "tiny", "plain", unbounded(m))
	if err != nil {
		return err
	}
	ranged := unbounded(m)
	ranged.Identity.Mode = manifest.IdentityRange
	ids, err := b.approve(ctx, "tiny", "range", ranged)
	if err != nil {
		return err
	}
	bounded, err := b.approve(ctx, "tiny", "bounded", m)
	if err != nil {
		return err
	}
	tty, err := container.OpenTerminal()
	if err != nil {
		return err
	}
	defer tty.Close()
	all := []launcher{
		{"plain", command{args: plain.run, env: plain.env}},
		{"a range of ids", command{args: ids.run, env: ids.env}},
		{"memory and pids in a cgroup", cgroup(ctx, command{args: bounded.run, env: bounded.env})},
		{"a terminal (-t)", command{args: []string{b.lpm, "run", "-t", "tiny"}, env: plain.env, terminal: tty.Path}},
	}
	c := &comparison{title: "Launching /bin/true with lpm run", quantities: launchQuantities(), rounds: b.rarely(2), parts: true}
	return timeLaunches(ctx, c, all)
}

// cgroup returns the command as it gets a cgroup with limits here: by itself,
// or within a scope of the systemd user manager.
func cgroup(ctx context.Context, c command) command {
	if c.try(ctx) == nil {
		return c
	}
	scoped := c
	scoped.within = []string{"systemd-run", "--user", "--scope", "--quiet", "--property=Delegate=yes", "--"}
	if _, err := exec.LookPath(scoped.within[0]); err != nil || scoped.try(ctx) != nil {
		return c
	}
	fmt.Println("\nThe launch with a cgroup is made in a delegated scope of the systemd user manager")
	return scoped
}
