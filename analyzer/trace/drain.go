package trace

import (
	"fmt"

	"github.com/least-privilege/lpm/analyzer/evidence"
	"github.com/least-privilege/lpm/analyzer/record"
	"github.com/least-privilege/lpm/manifest"
)

// drain notes all that is in the kernel's maps and has not been noted.
func (r *Recorder) drain() error {
	if err := r.reader.Flush(); err != nil {
		return fmt.Errorf("emptying the buffer of events: %w", err)
	}
	select {
	case <-r.flushed:
	case <-r.done:
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, one := range []func() error{r.drainNames, r.drainCounts, r.drainChecks, r.drainLosses, r.drainPeak} {
		if err := one(); err != nil {
			return fmt.Errorf("reading what the kernel's programs have counted: %w", err)
		}
	}
	return nil
}

func (r *Recorder) drainNames() error {
	var key nameKey
	var n counted
	all := r.maps.names.Iterate()
	for all.Next(&key, &n) {
		f, known := r.facts[key]
		if !known || n.Count <= f.noted {
			continue // a program, or one that was not kept
		}
		f.note(n.Count - f.noted)
		f.noted = n.Count
	}
	return all.Err()
}

func (r *Recorder) drainCounts() error {
	var key countKey
	var n counted
	all := r.maps.counts.Iterate()
	for all.Next(&key, &n) {
		if more := n.Count - r.counts[key]; more > 0 {
			r.counts[key] = n.Count
			r.noteCount(key, n.First, more)
		}
	}
	return all.Err()
}

func (r *Recorder) noteCount(key countKey, first, count uint64) {
	arch, number := r.options.Architecture, int(key.Number)
	const check = 1
	if key.Foreign&^check != 0 {
		arch = map[string]string{"amd64": "i386", "arm64": "arm"}[arch]
	} else if arch == "amd64" && number&x32Bit != 0 {
		arch, number = "x32", number&^x32Bit
	}
	var args []evidence.Arg
	if arch == r.options.Architecture {
		if info, ok := manifest.SyscallByNumber(arch, number); ok {
			for i, s := range manifest.RecordedArgs(info.Name) {
				args = append(args, evidence.Arg{Arg: s.Arg, Value: key.Args[i]})
			}
		}
	}
	r.record.ObserveCall(arch, number, args, record.Doer{Program: r.program(key.Program), Check: key.Foreign&check != 0}, r.since(first), count)
}

func (r *Recorder) drainChecks() error {
	var key checkKey
	var n counted
	all := r.maps.checks.Iterate()
	for all.Next(&key, &n) {
		if more := n.Count - r.checks[key]; more > 0 {
			r.checks[key] = n.Count
			r.noteCheck(key, n.First, more)
		}
	}
	return all.Err()
}

// noteCheck notes a capability. What is looked for in no call at all, as in
// page faults, is looked for by the kernel in its own matters.
func (r *Recorder) noteCheck(key checkKey, first, count uint64) {
	call, example := "", "a call of a 32-bit process"
	if number := int32(key.Number); number != foreignCall {
		info, ok := manifest.SyscallByNumber(r.options.Architecture, int(number))
		if !ok {
			return
		}
		call, example = info.Name, info.Name
	}
	const check = 1 << 16
	capability := key.Capability &^ check
	name, known := capabilityName(capability)
	if !known || !needed(capability, call, key.Args, r.record.Took) {
		return
	}
	r.record.ObserveCapability(name, example, record.Doer{Program: r.program(key.Program), Check: key.Capability&check != 0}, r.since(first), count)
}

// drainLosses adds what is missing.
func (r *Recorder) drainLosses() error {
	total := r.kernel.missed() + r.broken
	for which := range losses {
		var n uint64
		if err := r.maps.counters.Lookup(uint32(which), &n); err != nil {
			return err
		}
		total += n
	}
	if total > r.lost {
		r.record.AddLost(total - r.lost)
		r.lost = total
	}
	return nil
}

// drainPeak notes how many processes and threads there were at the most, beside
// those that the watching began with.
func (r *Recorder) drainPeak() error {
	var n int64
	if err := r.maps.counters.Lookup(uint32(most), &n); err != nil {
		return err
	}
	r.record.ObserveProcesses(r.first + n)
	return nil
}

// x32Bit is __X32_SYSCALL_BIT.
const x32Bit = 1 << 30
