package record

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"slices"
	"strconv"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

// sample is what all processes of a container use at one moment.
type sample struct {
	// resident counts a page that several processes have for each of them,
	// memory once for all; memory is 0 where it was not looked at. written is
	// what the root holds, shared what /dev/shm does.
	resident, memory, written, shared, pids int64

	cpu time.Duration // since each process's start
}

// share is how much of its time a sampler may spend on samples, as a divisor.
const share = 100

// Sample reads what the container uses, every so often, and keeps the peaks.
// pid is its first process in the caller's pid namespace. It returns when ctx
// is done or the process is gone; neither is an error. Peaks between two
// samples are not seen; of a container whose samples take long there are fewer.
func (r *Recorder) Sample(ctx context.Context, pid int, every time.Duration) error {
	next := time.NewTimer(every)
	defer next.Stop()
	r.mu.Lock()
	r.starts.first = pid
	r.mu.Unlock()
	var last sample
	lastTime := r.now()
	for {
		started := time.Now()
		s, err := take(pid, r.probing(), r.peakOfMemory())
		if errors.Is(err, fs.ErrNotExist) || errors.Is(err, unix.ESRCH) {
			return nil
		}
		if err != nil {
			return err
		}
		now := r.now()
		r.keep(s, s.cpu-last.cpu, now.Sub(lastTime))
		last, lastTime = s, now
		next.Reset(max(every, share*time.Since(started)))
		select {
		case <-ctx.Done():
			return nil
		case <-next.C:
		}
	}
}

func (r *Recorder) peakOfMemory() int64 {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.peaks.Memory
}

// keep raises the peaks. used is the processor time since the sample before,
// which is negative where a process that had used some has ended.
func (r *Recorder) keep(s sample, used, since time.Duration) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.peaks.Memory = max(r.peaks.Memory, s.memory)
	r.peaks.Written = max(r.peaks.Written, s.written)
	r.peaks.Shared = max(r.peaks.Shared, s.shared)
	r.peaks.PIDs = max(r.peaks.PIDs, s.pids)
	// A shorter time than a clock tick measures nothing.
	if since >= 10*time.Millisecond {
		r.peaks.MilliCPU = max(r.peaks.MilliCPU, int64(1000*used/since))
	}
}

// take reads one sample, of a first process and more that it has not started.
// Only a missing first process is an error; others come and go. How much memory
// it is takes the kernel a walk through all of it, which is spared where that
// cannot be more than the peak so far.
func take(first int, more []int, peak int64) (sample, error) {
	var s sample
	if err := s.add(first); err != nil {
		return s, err
	}
	all := []int{first}
	root := fmt.Sprintf("/proc/%d/root", first)
	var err error
	// Only of a root on memory is it the container alone that fills it; an
	// overlay reports its upper layer's file system.
	if s.written, err = held(root, unix.TMPFS_MAGIC, unix.OVERLAYFS_SUPER_MAGIC); err != nil {
		return s, fmt.Errorf("asking for the size of what the container wrote: %w", err)
	}
	if s.shared, err = held(root+"/dev/shm", unix.TMPFS_MAGIC); err != nil {
		return s, fmt.Errorf("asking for the size of the container's shared memory: %w", err)
	}
	err = others(first, more, func(pid int) {
		if s.add(pid) == nil {
			all = append(all, pid)
		}
	})
	if err != nil {
		return s, err
	}
	if s.resident > peak {
		for _, pid := range all {
			// A zombie has no memory, which reads as ESRCH or nothing.
			if rollup, err := readProc(fmt.Sprintf("/proc/%d/smaps_rollup", pid)); err == nil {
				s.memory += parsePSS(rollup)
			}
		}
	}
	return s, nil
}

// held returns how many bytes are in use in the file system that a path of the
// container's is on, if that is of one of the types, and otherwise 0.
func held(name string, types ...int64) (int64, error) {
	var st unix.Statfs_t
	switch err := unix.Statfs(name, &st); {
	case errors.Is(err, unix.EACCES):
		// The process has changed its ids and not executed the program yet,
		// so that nothing can have been written. After that, the owner of
		// its namespace may look.
		return 0, nil
	case errors.Is(err, unix.ENOENT), errors.Is(err, unix.ENOTDIR), errors.Is(err, unix.ELOOP):
		return 0, nil // nothing is there; a process that is gone is missed below
	case err != nil:
		return 0, err
	case !slices.Contains(types, st.Type):
		return 0, nil
	}
	return int64(st.Blocks-st.Bfree) * st.Bsize, nil
}

// maxSampled bounds the work of one sample in a container full of processes.
const maxSampled = 4096

// others gives each process that a first one, or one of more, has started, and
// those of more, as long as they are there.
func others(first int, more []int, each func(pid int)) error {
	queue, err := children(first)
	if err != nil {
		return err
	}
	queue = append(queue, more...)
	for seen := 0; len(queue) > 0 && seen < maxSampled; seen++ {
		pid := queue[0]
		queue = queue[1:]
		each(pid)
		if started, err := children(pid); err == nil {
			queue = append(queue, started...)
		}
	}
	return nil
}

func (s *sample) add(pid int) error {
	stat, err := readProc(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return fmt.Errorf("sampling process %d: %w", pid, err)
	}
	one, err := parseStat(stat)
	if err != nil {
		return fmt.Errorf("sampling process %d: %w", pid, err)
	}
	s.pids += one.pids
	s.cpu += one.cpu
	s.resident += one.resident
	return nil
}

// parseStat reads the threads, the processor time and the resident memory of
// /proc/PID/stat (proc_pid_stat(5)): fields 14, 15, 20 and 24, of which the
// third comes first after the name in parentheses. USER_HZ is 100 on every
// architecture here.
func parseStat(stat []byte) (sample, error) {
	fields := strings.Fields(string(stat[bytes.LastIndexByte(stat, ')')+1:]))
	if len(fields) < 22 {
		return sample{}, fmt.Errorf("stat has %d fields after the name", len(fields))
	}
	var values [4]int64
	for i, field := range []int{11, 12, 17, 21} {
		var err error
		if values[i], err = strconv.ParseInt(fields[field], 10, 64); err != nil {
			return sample{}, fmt.Errorf("stat: %w", err)
		}
	}
	return sample{
		cpu:  time.Duration(values[0]+values[1]) * 10 * time.Millisecond,
		pids: values[2], resident: values[3] * int64(os.Getpagesize()),
	}, nil
}

// parsePSS reads the proportional set size of /proc/PID/smaps_rollup, in
// bytes.
func parsePSS(rollup []byte) int64 {
	for line := range bytes.Lines(rollup) {
		if rest, ok := strings.CutPrefix(string(line), "Pss:"); ok {
			n, err := strconv.ParseInt(strings.TrimSuffix(strings.TrimSpace(rest), " kB"), 10, 64)
			if err == nil {
				return n << 10
			}
		}
	}
	return 0
}

// children returns the processes that the threads of pid have started.
func children(pid int) ([]int, error) {
	tasks, err := os.ReadDir(fmt.Sprintf("/proc/%d/task", pid))
	if err != nil {
		return nil, fmt.Errorf("listing the threads of process %d: %w", pid, err)
	}
	var all []int
	for _, t := range tasks {
		list, err := readProc(fmt.Sprintf("/proc/%d/task/%s/children", pid, t.Name()))
		if err != nil {
			continue // the thread has ended
		}
		for _, field := range strings.Fields(string(list)) {
			if n, err := strconv.Atoi(field); err == nil {
				all = append(all, n)
			}
		}
	}
	return all, nil
}
