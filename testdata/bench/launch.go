package main

import (
	"context"
	"fmt"
	"os/exec"
	"time"
)

// launch compares how long it takes to run a program that does nothing, from
// the start of the launcher to its end.
func (b *bench) launch(ctx context.Context) error {
	tree, err := b.unpack(ctx, "tiny")
	if err != nil {
		return err
	}
	if err := b.approve(ctx, "tiny"); err != nil {
		return err
	}
	all := []*alternative{
		{name: "lpm run", measure: milliseconds(b.lpm, "run", "tiny")},
		{name: "bwrap --unshare-all", measure: milliseconds("bwrap", "--unshare-all",
			"--ro-bind", tree, "/", "--proc", "/proc", "--tmpfs", "/tmp", "/bin/true")},
		{name: "C floor", measure: milliseconds(b.floor, tree, "/bin/true")},
	}
	if err := takeTurns(ctx, b.rounds, all); err != nil {
		return err
	}
	return report(fmt.Sprintf("Launching /bin/true (one static program), %d times each", b.rounds), "ms", all)
}

// milliseconds returns a measurement of how long a command takes.
func milliseconds(name string, args ...string) func(context.Context) (float64, error) {
	return func(ctx context.Context) (float64, error) {
		cmd := exec.CommandContext(ctx, name, args...)
		started := time.Now()
		out, err := cmd.CombinedOutput()
		took := time.Since(started)
		if err != nil {
			return 0, fmt.Errorf("%w: %s", err, out)
		}
		return float64(took.Microseconds()) / 1000, nil
	}
}
