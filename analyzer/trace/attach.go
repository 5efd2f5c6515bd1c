package trace

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/cilium/ebpf"
	"golang.org/x/sys/unix"

	"github.com/least-privilege/lpm/analyzer/evidence"
	"github.com/least-privilege/lpm/analyzer/record"
	"github.com/least-privilege/lpm/manifest"
)

// Attach begins with a container that runs already. What its processes are
// and have mapped is noted, and the calls that they are waiting in; what they
// have done before is not known.
//
// A control group is watched with all that will ever be in it. Without one it
// is the processes of the target's pid namespace, or the target's tree where
// that shares the caller's, and what they start from now on.
func (r *Recorder) Attach(t *Target) error {
	if err := r.begin(t.PID, t.group); err != nil {
		return err
	}
	// Whoever is on the list has his children put there by the kernel. Those
	// that were started meanwhile by somebody who was not are found by
	// looking again, until there is nobody new.
	known := map[int]bool{}
	const rounds = 1000
	for range rounds {
		list, err := t.processes()
		if err != nil {
			return err
		}
		fresh := false
		for _, pid := range list {
			if known[pid] {
				continue
			}
			known[pid], fresh = true, true
			if err := r.adopt(pid); err != nil {
				return err
			}
		}
		if !fresh {
			return r.forgetStrangers(t, known, list)
		}
	}
	return errors.New("the container starts processes faster than they can be put on the list")
}

// forgetStrangers takes those off the list that are not the target's: a process may
// have ended between being listed and being watched, and another one of this
// machine have got its number. Nobody leaves a pid namespace; from a tree that
// shares the caller's a process can be missing because its parent has ended.
func (r *Recorder) forgetStrangers(t *Target, known map[int]bool, list []int) error {
	shared, err := t.shares("pid")
	if err != nil || shared {
		return nil // the target has ended, or it is a tree
	}
	for pid := range known {
		if slices.Contains(list, pid) {
			continue
		}
		if err := r.maps.tasks.Delete(uint32(pid)); err != nil && !errors.Is(err, ebpf.ErrKeyNotExist) {
			return fmt.Errorf("forgetting process %d: %w", pid, err)
		}
	}
	return nil
}

// adopt watches a process that runs.
func (r *Recorder) adopt(pid int) error {
	err := r.maps.tasks.Update(uint32(pid), task{State: watched}, ebpf.UpdateNoExist)
	if err != nil && !errors.Is(err, ebpf.ErrKeyExist) {
		return fmt.Errorf("watching process %d: %w", pid, err)
	}
	engines, err := fromHere(pid)
	if err == nil && engines {
		return r.follow(pid, task{State: engine})
	}
	program := ""
	if err == nil {
		program, err = os.Readlink(fmt.Sprintf("/proc/%d/exe", pid))
	}
	if err != nil {
		// It has ended, and must not be taken for a later one of its number.
		if err := r.maps.tasks.Delete(uint32(pid)); err != nil && !errors.Is(err, ebpf.ErrKeyNotExist) {
			return fmt.Errorf("forgetting process %d: %w", pid, err)
		}
		return nil
	}
	program = r.root.inside(strings.TrimSuffix(program, " (deleted)"))
	r.record.ObserveProgram(evidence.Program{Path: rooted(program)}, record.Doer{}, 0, 1)
	r.mapped(pid)
	r.waitsIn(pid, program)
	return nil
}

// maxMaps bounds what is read of a process's mappings, in bytes: of those of a
// program in service that is a hundred times as much as there is, and a process
// that wants to cost memory can have hundreds of megabytes.
const maxMaps = 16 << 20

// mapped notes the shared objects that a process has.
func (r *Recorder) mapped(pid int) {
	maps, err := readUpTo(fmt.Sprintf("/proc/%d/maps", pid), maxMaps)
	if err != nil {
		return // it has ended
	}
	if len(maps) == maxMaps {
		r.record.AddLost(1)
	}
	for line := range bytes.Lines(maps) {
		// The path is the sixth field and may have spaces.
		_, name, found := strings.Cut(string(line), " /")
		if name = "/" + strings.TrimSuffix(name, "\n"); found && strings.Contains(filepath.Base(name), ".so") {
			r.record.ObserveLibrary(r.root.inside(strings.TrimSuffix(name, " (deleted)")))
		}
	}
}

// waitsIn notes the calls that a process's threads were making when it was
// attached to: they have begun before, and may last longer than the recording.
func (r *Recorder) waitsIn(pid int, program string) {
	list, err := filepath.Glob(fmt.Sprintf("/proc/%d/task/*/syscall", pid))
	if err != nil {
		return
	}
	for _, name := range list {
		line, err := os.ReadFile(name)
		if err != nil {
			continue
		}
		fields := strings.Fields(string(line))
		number, err := strconv.Atoi(strings.Join(fields[:min(1, len(fields))], ""))
		if err != nil || number < 0 || len(fields) < 7 {
			continue // it is running
		}
		info, ok := manifest.SyscallByNumber(r.options.Architecture, number)
		if !ok {
			continue
		}
		var args []evidence.Arg
		for _, s := range manifest.RecordedArgs(info.Name) {
			if value, err := strconv.ParseUint(fields[1+s.Arg], 0, 64); err == nil {
				args = append(args, evidence.Arg{Arg: s.Arg, Value: value & s.Mask})
			}
		}
		r.record.ObserveCall(r.options.Architecture, number, args, record.Doer{Program: program}, 0, 1)
	}
}

// processes lists those of the target that there are now.
func (t *Target) processes() ([]int, error) {
	if t.cgroup != "" {
		return groupProcesses(t.cgroup)
	}
	shared, err := t.shares("pid")
	if err != nil {
		return nil, &TargetError{Target: strconv.Itoa(t.PID), Reason: "it has ended", Err: err}
	}
	if shared {
		return tree(t.PID), nil
	}
	ns, err := os.Readlink(t.proc("ns/pid"))
	if err != nil {
		return nil, &TargetError{Target: strconv.Itoa(t.PID), Reason: "it has ended", Err: err}
	}
	list, err := filepath.Glob("/proc/[0-9]*/ns/pid")
	if err != nil {
		return nil, err
	}
	all := tree(t.PID)
	for _, name := range list {
		if theirs, err := os.Readlink(name); err == nil && theirs == ns {
			if pid, err := strconv.Atoi(strings.Split(name, "/")[2]); err == nil {
				all = append(all, pid)
			}
		}
	}
	return all, nil
}

// tree returns a process and its descendants.
func tree(pid int) []int {
	all := []int{pid}
	for i := 0; i < len(all) && len(all) < int(enough().tasks); i++ {
		lists, err := filepath.Glob(fmt.Sprintf("/proc/%d/task/*/children", all[i]))
		if err != nil {
			continue
		}
		for _, name := range lists {
			list, err := os.ReadFile(name)
			if err != nil {
				continue
			}
			for _, field := range strings.Fields(string(list)) {
				if child, err := strconv.Atoi(field); err == nil {
					all = append(all, child)
				}
			}
		}
	}
	return all
}

// Wait returns when the container has ended, or with ctx's error.
func (t *Target) Wait(ctx context.Context) error {
	tick := time.NewTicker(waitEvery)
	defer tick.Stop()
	for {
		ended, err := t.ended()
		if err != nil || ended {
			return err
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-tick.C:
		}
	}
}

// waitEvery is how often it is looked whether a container has ended.
const waitEvery = 100 * time.Millisecond

func (t *Target) ended() (bool, error) {
	if t.cgroup != "" {
		list, err := groupProcesses(t.cgroup)
		if errors.Is(err, os.ErrNotExist) || errors.Is(err, unix.ENODEV) {
			return true, nil
		}
		return len(list) == 0, err
	}
	p := []unix.PollFd{{Fd: int32(t.pidfd.Fd()), Events: unix.POLLIN}}
	if _, err := unix.Poll(p, 0); err != nil && !errors.Is(err, unix.EINTR) {
		return false, fmt.Errorf("waiting for the container's end: %w", err)
	}
	return p[0].Revents != 0, nil
}
