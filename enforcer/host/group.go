package host

import (
	"context"
	"errors"
	"fmt"
	"os/exec"
	"slices"
	"strings"
	"time"

	"github.com/least-privilege/lpm/enforcer/limit"
	"github.com/least-privilege/lpm/enforcer/plan"
	"github.com/least-privilege/lpm/manifest"
)

// findGroups tells who makes control groups for the caller. A group is made
// for a try, but below a delegated folder, where this process might have to
// leave its own for that.
func (i *inspection) findGroups(ctx context.Context, f Finding) Finding {
	var h plan.Host
	if err := i.groups(&h); err != nil {
		return f.settle(false, err)
	}
	var details []string
	works := false
	for _, maker := range h.GroupMakers() {
		name, err := string(maker.Kind), error(nil)
		if maker.Kind == plan.GroupDelegated {
			name += " below " + h.Cgroup
		} else {
			err = tryGroup(ctx, maker, h)
		}
		var hinted interface{ Hint() string }
		switch {
		case err == nil:
			works = true
			details = append(details, name+": "+offer(maker, h.Disks))
		case errors.As(err, &hinted) && hinted.Hint() != "":
			f.Hint = hinted.Hint()
			fallthrough
		default:
			details = append(details, name+": "+err.Error())
		}
	}
	f.Detail = strings.Join(details, "; ")
	return f.settle(works, nil)
}

// offer lists what a maker has, and what is missing of the usable controllers.
func offer(maker plan.GroupMaker, disks []plan.Disk) string {
	text := strings.Join(maker.Controllers, ", ")
	for _, c := range usable {
		if !slices.Contains(maker.Controllers, c) {
			text += ", no " + c
		}
	}
	if slices.Contains(maker.Controllers, "io") && !heeded(maker.Kind, disks) {
		text += " (which no disk heeds)"
	}
	return text
}

// heeded tells whether some disk heeds the weights of such groups.
func heeded(kind plan.GroupKind, disks []plan.Disk) bool {
	return slices.ContainsFunc(disks, func(d plan.Disk) bool { return d.Heeds(kind) })
}

// tryGroup puts a process that waits into a group with every limit that there
// is a controller for.
func tryGroup(ctx context.Context, maker plan.GroupMaker, h plan.Host) (err error) {
	// A person waits for the answer.
	ctx, cancel := context.WithTimeout(ctx, 5*time.Second)
	defer cancel()
	all := manifest.Resources{Memory: 64 << 20, PIDs: 16, MilliCPU: 1000}
	if heeded(maker.Kind, h.Disks) {
		all.IOWeight = 100
	}
	group, err := limit.Open(ctx, &plan.Plan{Image: "a trial", Group: maker.Group(all)}, h)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, group.Close()) }()
	// It waits until its input ends, as it also does if this process is killed.
	child := exec.Command("/bin/sh", "-c", "read line")
	input, err := child.StdinPipe()
	if err != nil {
		return err
	}
	if err := child.Start(); err != nil {
		return fmt.Errorf("starting a process: %w", err)
	}
	err = group.Attach(ctx, child.Process.Pid)
	input.Close()
	// The shell says that it has read nothing.
	var ended *exec.ExitError
	if werr := child.Wait(); werr != nil && !errors.As(werr, &ended) {
		err = errors.Join(err, werr)
	}
	return err
}
