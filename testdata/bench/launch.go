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
	run, err := b.runs(ctx, "tiny")
	if err != nil {
		return err
	}
	all := []*alternative{
		{name: "lpm run", measure: milliseconds(run[0], run[1:]...)},
		{name: "bwrap --unshare-all", measure: milliseconds("bwrap", "--unshare-all",
			"--ro-bind", tree, "/", "--proc", "/proc", "--tmpfs", "/tmp", "/bin/true")},
		{name: "C floor", measure: milliseconds(b.floor, tree, "/bin/true")},
	}
	if err := takeTurns(ctx, b.rounds, all); err != nil {
		return err
	}
	return report(fmt.Sprintf("Launching /bin/true (one static program), %d times each", b.rounds), "ms", all)
}

// runs returns the command that runs an approved image here. Where the host
// cannot enforce all of the manifest, it says so and goes on with the rest.
func (b *bench) runs(ctx context.Context, name string) ([]string, error) {
	strict := []string{b.lpm, "run", name}
	out, err := exec.CommandContext(ctx, strict[0], strict[1:]...).CombinedOutput()
	if err == nil {
		return strict, nil
	}
	fmt.Printf("lpm run is measured with --best-effort here:\n%s", out)
	effort := []string{b.lpm, "run", "--best-effort", name}
	if out, err = exec.CommandContext(ctx, effort[0], effort[1:]...).CombinedOutput(); err != nil {
		return nil, fmt.Errorf("lpm run: %w: %s", err, out)
	}
	return effort, nil
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
