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
	// absent tells whether the file may be missing from the group and the
	// limit hold all the same. Nil: it may not.
	absent func(path string) bool
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
	if err := checkLimits(r); err != nil {
		return nil, err
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
	if r.IOWeight > 0 {
		// Which of the two files there are depends on what was built into
		// the kernel or loaded, and which of them counts on each disk.
		weight := strconv.FormatInt(r.IOWeight, 10)
		all = append(all,
			limit{controller: "io", file: "io.weight", value: weight, absent: beside("io.bfq.weight")},
			limit{controller: "io", file: "io.bfq.weight", value: weight, absent: beside("io.weight")})
	}
	return all, nil
}

// checkLimits refuses what no kernel could set.
func checkLimits(r manifest.Resources) error {
	if r.Memory < 0 || r.PIDs < 0 || r.MilliCPU < 0 || r.IOWeight < 0 {
		return fmt.Errorf("a limit is below zero: %+v", r)
	}
	if r.MilliCPU > mostMilliCPU {
		return fmt.Errorf("milliCPU %d is above %d", r.MilliCPU, mostMilliCPU)
	}
	return nil
}

// beside allows a file to be missing where another is there.
func beside(other string) func(path string) bool {
	return func(path string) bool {
		_, err := os.Stat(filepath.Join(path, other))
		return err == nil
	}
}

// cpuMax returns the quota and period that come to the share. Below a
// hundredth of a processor the quota of the usual period would be shorter
// than the kernel takes.
func cpuMax(milli int64) string {
	quota, period := cpuQuota(milli)
	return fmt.Sprintf("%d %d", quota, period)
}

func cpuQuota(milli int64) (quota, period int64) {
	period = usualPeriod
	if milli*period/1000 < shortestQuota {
		period = longestPeriod
	}
	return milli * (period / 1000), period
}

// noSwap tells whether the kernel has no swap at all. One that has it, but
// does not count it per group (swapaccount=0), would let a container write
// past its bound.
func noSwap(string) bool {
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
	case l.absent != nil && l.absent(path):
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
