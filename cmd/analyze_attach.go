package cmd

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/signal"
	"syscall"

	"github.com/spf13/cobra"

	"github.com/least-privilege/lpm/analyzer/workload"
	"github.com/least-privilege/lpm/cmd/front"
	"github.com/least-privilege/lpm/registry/store"
)

// recorderKind is the value of --recorder.
type recorderKind workload.RecorderKind

// String implements pflag.Value.
func (r *recorderKind) String() string { return string(*r) }

// Type implements pflag.Value.
func (r *recorderKind) Type() string { return "kind" }

// Set implements pflag.Value.
func (r *recorderKind) Set(text string) error {
	switch k := workload.RecorderKind(text); k {
	case workload.Seccomp, workload.EBPF:
		*r = recorderKind(k)
		return nil
	}
	return fmt.Errorf("%q is neither seccomp nor ebpf", text)
}

// exclusiveToAttach holds --attach apart from the flags of a container that is
// yet to be started. An empty target is what a command in quotes leaves that
// found no container: nothing must be started in its place.
func exclusiveToAttach(c *cobra.Command) {
	c.PreRunE = func(c *cobra.Command, _ []string) error {
		if target := c.Flags().Lookup("attach"); target.Changed && target.Value.String() == "" {
			return errors.New("--attach needs a TARGET: the number of a process or the folder of a control group")
		}
		return nil
	}
	for _, name := range []string{
		"exercise", "repeat", "signal", "until-quiet", "ready", "ready-timeout", "prove", "keep-going", "no-healthcheck", "identity", "network", "interactive", "tty",
		"env", "user", "workdir", "volume", "entrypoint",
	} {
		c.MarkFlagsMutuallyExclusive("attach", name)
	}
}

// checkAttach refuses what cannot be meant beside --attach; arguments is how
// many the container's command has.
func (f *analyzeFlags) checkAttach(arguments int) error {
	switch {
	case f.attach == "":
		return nil
	case arguments > 0:
		return errors.New("--attach runs nothing, so there is no command to give")
	case f.recorder == recorderKind(workload.Seccomp):
		return errors.New("--attach takes --recorder ebpf: the filter of the other one is part of a container from its start")
	}
	return nil
}

// watchRunning watches a container that runs already. An interrupt ends the
// watching and not lpm.
func (s *session) watchRunning(ctx context.Context, st *store.Store, image store.Image, f analyzeFlags) (*workload.Outcome, error) {
	interrupts := make(chan os.Signal, 2)
	signal.Notify(interrupts, os.Interrupt, syscall.SIGTERM)
	defer signal.Stop(interrupts)
	return workload.Attach(context.WithoutCancel(ctx), st, workload.Attachment{
		Target: f.attach, Image: image, For: f.limit,
		Interrupt: interrupts, Progress: s.progress, Version: front.Version,
	})
}
