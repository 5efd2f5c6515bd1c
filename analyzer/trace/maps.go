package trace

import (
	"fmt"

	"github.com/cilium/ebpf"
)

// sizes are those of the maps. What is beyond them is counted.
type sizes struct {
	tasks  uint32 // processes, and threads, alive at a time
	counts uint32 // (program, call, arguments)
	names  uint32 // distinct things named
	checks uint32 // (program, call, capability, arguments)
	ring   uint32 // bytes, a power of two and of pages
}

// enough is far above what containers do; it takes about 40 MiB.
func enough() sizes {
	return sizes{tasks: 1 << 16, counts: 1 << 16, names: 1 << 16, checks: 1 << 13, ring: 16 << 20}
}

const (
	// maxNumber is above every call's number of the native architecture.
	maxNumber = 1 << 10
)

// counter is what is counted apart, mostly because facts are missing.
type counter uint32

const (
	// lostTask: a process could not be followed.
	lostTask counter = iota
	// lostCount: a call or a check could not be counted.
	lostCount
	// lostName: what a call named could not be handed over.
	lostName
	// unreadable: what a call named could not be read, or was too long.
	unreadable
	// alive are the processes and threads that were started since the watching
	// began and have not ended, most is the highest that it was. No losses
	// are from here on.
	alive
	most
	counters
	losses = alive
)

// task is the value of the map of watched processes.
type task struct {
	Program uint64 // 0 is not known yet
	State   uint64
}

// States of a task, by bits.
const (
	// pending is a process that is still lpm's own: its next execution is
	// the container's first program, or one of a health check.
	pending = 0
	watched = 1 << 0
	// checks is a process of the image's health check.
	checks = 1 << 1
	// engine is a process that has joined the container, of whoever runs that:
	// what it does is of no interest before it executes a program.
	engine = 1 << 2
)

// countKey is what calls are counted by.
type countKey struct {
	Program uint64
	// Number is the call's. Of Foreign bit 0 says that a health check has made
	// it, and another bit that it is one of 32-bit processes.
	Number, Foreign uint32
	// Args are the recorded arguments, masked.
	Args [2]uint64
}

// checkKey is what capability checks are counted by.
type checkKey struct {
	Program uint64
	// Of Capability bit 16 says that a health check has made the call.
	Number, Capability uint32
	Args               [2]uint64
}

// nameKey is the hash of what a call has named.
type nameKey [2]uint64

// counted is how often something happened, and when first, in nanoseconds of
// the monotonic clock.
type counted struct{ Count, First uint64 }

// maps are what the programs work with.
type maps struct {
	tasks    *ebpf.Map // thread group id → task
	born     *ebpf.Map // thread that was started since the watching began → 0
	calls    *ebpf.Map // number → callInfo
	counts   *ebpf.Map // countKey → counted
	names    *ebpf.Map // nameKey → counted
	checks   *ebpf.Map // checkKey → counted
	refused  *ebpf.Map // thread → number of the call in which CAP_DAC_READ_SEARCH was refused
	override *ebpf.Map // thread → that CAP_DAC_OVERRIDE was looked for in its opening of a file
	signals  *ebpf.Map // thread → to whom its call has sent a signal
	scratch  *ebpf.Map // one for each program that makes events, on each processor
	counters *ebpf.Map
	ring     *ebpf.Map
}

// newMaps makes the maps. They are the caller's to close, after an error too.
func newMaps(n sizes) (*maps, error) {
	m := &maps{}
	for _, s := range []struct {
		to        **ebpf.Map
		name      string
		kind      ebpf.MapType
		key, size uint32
		entries   uint32
	}{
		{&m.tasks, "lpm_tasks", ebpf.Hash, 4, 16, n.tasks},
		{&m.born, "lpm_born", ebpf.Hash, 4, 8, n.tasks},
		{&m.calls, "lpm_calls", ebpf.Array, 4, callInfoSize, maxNumber},
		{&m.counts, "lpm_counts", ebpf.Hash, 32, 16, n.counts},
		{&m.names, "lpm_names", ebpf.Hash, 16, 16, n.names},
		{&m.checks, "lpm_checks", ebpf.Hash, 32, 16, n.checks},
		{&m.refused, "lpm_refused", ebpf.LRUHash, 8, 8, 1 << 12},
		{&m.override, "lpm_override", ebpf.LRUHash, 8, 8, 1 << 12},
		{&m.signals, "lpm_signals", ebpf.LRUHash, 8, 8, 1 << 12},
		{&m.scratch, "lpm_scratch", ebpf.PerCPUArray, 4, scratchSize, scratches},
		{&m.counters, "lpm_counters", ebpf.Array, 4, 8, uint32(counters)},
		{&m.ring, "lpm_ring", ebpf.RingBuf, 0, 0, n.ring},
	} {
		made, err := ebpf.NewMap(&ebpf.MapSpec{Name: s.name, Type: s.kind, KeySize: s.key, ValueSize: s.size, MaxEntries: s.entries})
		if err != nil {
			return m, fmt.Errorf("making a map for the kernel's programs: %w", err)
		}
		*s.to = made
	}
	return m, nil
}

func (m *maps) close() {
	for _, one := range []*ebpf.Map{m.tasks, m.born, m.calls, m.counts, m.names, m.checks, m.refused, m.override, m.signals, m.scratch, m.counters, m.ring} {
		one.Close()
	}
}
