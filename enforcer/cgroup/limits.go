package cgroup

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"

	"github.com/least-privilege/lpm/manifest"
)

// limit is one value for one control file.
type limit struct {
	controller, file, value string
	// absent tells whether the file may be missing and the limit hold all
	// the same. Nil: it may not.
	absent func() bool
}

// Bounds of cpu.max, in microseconds: the kernel's shortest quota and longest
// period (kernel/sched/core.c), and its own default period.
const (
	shortestQuota = 1_000
	usualPeriod   = 100_000
	longestPeriod = 1_000_000
)

// mostMilliCPU is far above any machine, and small enough to calculate with.
const mostMilliCPU = 1_000_000_000

// limitsOf returns the control files' values for the limits of r.
func limitsOf(r manifest.Resources) ([]limit, error) {
	if r.Memory < 0 || r.PIDs < 0 || r.MilliCPU < 0 {
		return nil, fmt.Errorf("a limit is below zero: %+v", r)
	}
	if r.MilliCPU > mostMilliCPU {
		return nil, fmt.Errorf("milliCPU %d is above %d", r.MilliCPU, mostMilliCPU)
	}
	var all []limit
	if r.Memory > 0 {
		// Swap has a bound of its own, so memory and swap together are
		// bounded by allowing none of it.
		all = append(all,
			limit{controller: "memory", file: "memory.max", value: strconv.FormatInt(r.Memory, 10)},
			limit{controller: "memory", file: "memory.swap.max", value: "0", absent: noSwap})
	}
	if r.PIDs > 0 {
		all = append(all, limit{controller: "pids", file: "pids.max", value: strconv.FormatInt(r.PIDs, 10)})
	}
	if r.MilliCPU > 0 {
		all = append(all, limit{controller: "cpu", file: "cpu.max", value: cpuMax(r.MilliCPU)})
	}
	return all, nil
}

// cpuMax returns the quota and period that come to the share. Below a
// hundredth of a processor the quota of the usual period would be shorter
// than the kernel takes.
func cpuMax(milli int64) string {
	period := int64(usualPeriod)
	if milli*period/1000 < shortestQuota {
		period = longestPeriod
	}
	return fmt.Sprintf("%d %d", milli*(period/1000), period)
}

// noSwap tells whether the kernel has no swap at all. One that has it, but
// does not count it per group (swapaccount=0), would let a container write
// past its bound.
func noSwap() bool {
	_, err := os.Stat("/proc/swaps")
	return errors.Is(err, fs.ErrNotExist)
}

// set writes the limit into the group.
func (l limit) set(path string) error {
	err := write(path, l.file, l.value)
	switch {
	case err == nil:
		return nil
	case !errors.Is(err, fs.ErrNotExist):
		return &Error{Doing: fmt.Sprintf("writing %s to %s", l.value, filepath.Join(path, l.file)), Err: err}
	case l.absent != nil && l.absent():
		return nil
	}
	return &Error{Doing: "limiting " + l.controller, Err: fmt.Errorf("%w: %s", ErrUnsupported, l.file)}
}

// controllers returns the controllers that the limits need, each once.
func controllers(limits []limit) []string {
	var names []string
	for _, l := range limits {
		if len(names) == 0 || names[len(names)-1] != l.controller {
			names = append(names, l.controller)
		}
	}
	return names
}
