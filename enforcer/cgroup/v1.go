package cgroup

import (
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"time"

	"golang.org/x/sys/unix"

	"github.com/least-privilege/lpm/manifest"
)

// V1 is one container's groups in the hierarchies of cgroup v1, where each
// controller has a tree of its own and only root can make groups. It is to be
// closed. Its methods are for one goroutine at a time.
type V1 struct {
	name    string
	dirs    []*os.File
	folders folders
}

// NewV1 makes groups called name with the limits of r that are a cgroup's.
// parents gives the folder of each controller, such as "blkio", below which
// they are made. The errors are those of [New].
func NewV1(parents map[string]string, name string, r manifest.Resources) (*V1, error) {
	return kernel().v1(parents, name, r)
}

func (f folders) v1(parents map[string]string, name string, r manifest.Resources) (*V1, error) {
	if err := checkName(name); err != nil {
		return nil, &Error{Doing: "making a cgroup", Err: err}
	}
	if err := checkLimits(r); err != nil {
		return nil, &Error{Doing: "limiting resources", Err: err}
	}
	// Controllers may share a hierarchy, as cpu and cpuacct do.
	byParent := map[string][]limit{}
	for _, l := range v1Limits(r) {
		parent := parents[l.controller]
		if parent == "" {
			return nil, &Error{Doing: "limiting resources", Err: fmt.Errorf("%w: %s (v1)", ErrController, l.controller)}
		}
		byParent[parent] = append(byParent[parent], l)
	}
	g := &V1{name: name, folders: f}
	for _, parent := range slices.Sorted(maps.Keys(byParent)) {
		if err := g.add(parent, byParent[parent]); err != nil {
			return nil, errors.Join(err, g.Close())
		}
	}
	return g, nil
}

// v1Limits returns the values of the limits for the files of cgroup v1, in
// the order in which the kernel takes them: memory and swap together are never
// less than memory, and a quota is judged by its period.
func v1Limits(r manifest.Resources) []limit {
	number := func(n int64) string { return strconv.FormatInt(n, 10) }
	var all []limit
	if r.Memory > 0 {
		all = append(all,
			limit{controller: "memory", file: "memory.limit_in_bytes", value: number(r.Memory)},
			limit{controller: "memory", file: "memory.memsw.limit_in_bytes", value: number(r.Memory), absent: noSwap})
	}
	if r.PIDs > 0 {
		all = append(all, limit{controller: "pids", file: "pids.max", value: number(r.PIDs)})
	}
	if r.MilliCPU > 0 {
		quota, period := cpuQuota(r.MilliCPU)
		all = append(all,
			limit{controller: "cpu", file: "cpu.cfs_period_us", value: number(period)},
			limit{controller: "cpu", file: "cpu.cfs_quota_us", value: number(quota)})
	}
	if r.IOWeight > 0 {
		all = append(all, limit{controller: "blkio", file: "blkio.bfq.weight", value: number(r.IOWeight)})
	}
	return all
}

// add makes the group of one hierarchy.
func (g *V1) add(parent string, limits []limit) error {
	path := filepath.Join(parent, g.name)
	if err := g.folders.make(path, 0o755); err != nil {
		return &Error{Doing: "making a cgroup", Err: err}
	}
	dir, err := lock(path)
	if err != nil {
		return errors.Join(err, g.folders.remove(path))
	}
	g.dirs = append(g.dirs, dir)
	for _, l := range limits {
		if err := l.set(path); err != nil {
			return err
		}
	}
	return nil
}

// Name returns what the group is called in each hierarchy.
func (g *V1) Name() string { return g.name }

// Attach moves a process into the groups. It and what it starts from then on
// are under the limits; memory that it has already used stays where it was.
func (g *V1) Attach(pid int) error {
	for _, dir := range g.dirs {
		if err := write(dir.Name(), "cgroup.procs", strconv.Itoa(pid)); err != nil {
			return &Error{Doing: "moving the container into the cgroup " + dir.Name(), Err: err}
		}
	}
	return nil
}

// Close removes the groups, and waits up to 10 s for the end of processes that
// were killed: the end of a container's first process kills all of them. After
// [ErrAlive] it can be called again.
func (g *V1) Close() error {
	deadline := time.Now().Add(patience)
	for len(g.dirs) > 0 {
		dir := g.dirs[len(g.dirs)-1]
		if err := g.removeBy(deadline, dir.Name()); err != nil {
			return err
		}
		dir.Close()
		g.dirs = g.dirs[:len(g.dirs)-1]
	}
	return nil
}

// removeBy removes a group. The kernel does not tell when one has become
// empty, so that it has to be tried.
func (g *V1) removeBy(deadline time.Time, path string) error {
	for wait := time.Millisecond; ; wait = min(2*wait, 100*time.Millisecond) {
		err := g.folders.remove(path)
		switch {
		case err == nil || errors.Is(err, fs.ErrNotExist):
			return nil
		case !errors.Is(err, unix.EBUSY):
			return &Error{Doing: "removing the cgroup " + path, Err: err}
		case time.Now().After(deadline):
			return &Error{Doing: "waiting for the end of " + path, Err: ErrAlive}
		}
		time.Sleep(wait)
	}
}
