package trace

import (
	"context"
	"crypto/rand"
	"encoding/binary"
	"errors"
	"fmt"
	"os"
	"sync"
	"syscall"
	"time"

	"github.com/cilium/ebpf/ringbuf"
	"golang.org/x/sys/unix"

	"github.com/least-privilege/lpm/analyzer/evidence"
	"github.com/least-privilege/lpm/analyzer/record"
	"github.com/least-privilege/lpm/enforcer/supervise"
)

// maxKept bounds the bytes of events that are kept, to be noted again or as the
// names of programs. What comes beyond is noted once, and its count is too low.
const maxKept = 64 << 20

// Recorder watches one container. It is a supervisor's policy too, of a
// filter that hands over no more than what cannot be watched.
type Recorder struct {
	options record.Options
	sizes   sizes
	record  *record.Recorder
	maps    *maps
	root    *root
	reader  *ringbuf.Reader
	kernel  *attachment
	// begun is the start by the monotonic clock, in nanoseconds.
	begun uint64
	// first is how many processes and threads it began with, as far as that is
	// certain.
	first int64
	// flushed is sent to when all that was in the ring has been read, done is
	// closed when nothing more is.
	flushed chan struct{}
	done    chan struct{}

	mu       sync.Mutex
	programs map[uint64]string
	facts    map[nameKey]*fact
	kept     int
	counts   map[countKey]uint64
	checks   map[checkKey]uint64
	lost     uint64
	broken   uint64 // events that could not be decoded, or kept
}

var _ supervise.Policy = (*Recorder)(nil)

// New returns a recorder that watches nothing yet. It returns an
// [*AccessError] where this account or this kernel does not allow it. It is
// the caller's to close.
func New(o record.Options) (*Recorder, error) {
	if err := Check(); err != nil {
		return nil, err
	}
	inner, err := record.NewObserving(o)
	if err != nil {
		return nil, err
	}
	return &Recorder{
		options: o, sizes: enough(), record: inner,
		flushed: make(chan struct{}), done: make(chan struct{}),
		programs: map[uint64]string{}, facts: map[nameKey]*fact{},
		counts: map[countKey]uint64{}, checks: map[checkKey]uint64{},
	}, nil
}

// Watch begins with a container that is made and whose first process, which
// pid is, is about to execute its program: everything from that on is
// recorded.
func (r *Recorder) Watch(pid int) error {
	if err := r.begin(pid, group{}); err != nil {
		return err
	}
	r.first = 1
	return r.follow(pid, task{State: pending})
}

// Check watches a process of the image's health check too, which is about to
// execute the given program; see record.Recorder.
func (r *Recorder) Check(pid int, p evidence.Program) (policy supervise.Policy, ended func(), err error) {
	_, ended = r.record.Check(pid, p)
	return r, ended, r.follow(pid, task{State: pending | checks})
}

// follow puts a process on the list.
func (r *Recorder) follow(pid int, t task) error {
	if err := r.maps.tasks.Put(uint32(pid), t); err != nil {
		return fmt.Errorf("watching process %d: %w", pid, err)
	}
	return nil
}

// begin has the kernel's programs run, for the user namespace and the root of
// a process.
func (r *Recorder) begin(pid int, g group) error {
	l, err := kernelTypes()
	if err != nil {
		return err
	}
	if r.root, err = openRoot(pid); err != nil {
		return err
	}
	ns, err := os.Stat(fmt.Sprintf("/proc/%d/ns/user", pid))
	if err != nil {
		return fmt.Errorf("looking up the user namespace of process %d: %w", pid, err)
	}
	if r.maps, err = newMaps(r.sizes); err != nil {
		return explain(err)
	}
	infos, err := callInfos(r.options.Architecture)
	if err != nil {
		return err
	}
	for number, info := range infos {
		if err := r.maps.calls.Put(number, info); err != nil {
			return fmt.Errorf("telling the kernel's programs of call %d: %w", number, err)
		}
	}
	var seed [16]byte
	if _, err := rand.Read(seed[:]); err != nil {
		return err
	}
	r.reader, err = ringbuf.NewReader(r.maps.ring)
	if err != nil {
		return fmt.Errorf("opening the buffer of events: %w", err)
	}
	go r.read()
	r.kernel, err = attach(r.maps, l, [2]uint64{
		binary.NativeEndian.Uint64(seed[:]), binary.NativeEndian.Uint64(seed[8:]),
	}, g, uint32(ns.Sys().(*syscall.Stat_t).Ino))
	if err != nil {
		return explain(err)
	}
	r.begun = monotonic()
	r.record.Begin(time.Now())
	return nil
}

// monotonic returns the clock of the kernel's programs, in nanoseconds.
func monotonic() uint64 {
	var now unix.Timespec
	if err := unix.ClockGettime(unix.CLOCK_MONOTONIC, &now); err != nil {
		return 0
	}
	return uint64(now.Nano())
}

// since returns how long after the start something was.
func (r *Recorder) since(t uint64) time.Duration {
	return time.Duration(max(0, int64(t-r.begun)))
}

// read takes events out of the buffer until it is closed.
func (r *Recorder) read() {
	defer close(r.done)
	for {
		sample, err := r.reader.Read()
		switch {
		case err == nil:
			r.take(sample.RawSample)
		case errors.Is(err, ringbuf.ErrFlushed):
			r.flushed <- struct{}{}
		default:
			return
		}
	}
}

// take keeps and notes an event.
func (r *Recorder) take(sample []byte) {
	e, err := decode(sample)
	r.mu.Lock()
	defer r.mu.Unlock()
	if err != nil {
		r.broken++
		return
	}
	if e.kind == kindProgram {
		r.named(e, len(sample))
		return
	}
	f := r.fact(e)
	f.note(1)
	f.noted = 1
	if r.kept += len(sample); !e.again && r.kept <= maxKept {
		r.facts[e.key] = &f
	}
}

// named keeps the path of a program. They are as many as a container that
// renames one likes, so that past the bound of what is kept it is a loss.
func (r *Recorder) named(e *event, size int) {
	if _, known := r.programs[e.key[0]]; known {
		return
	}
	if r.kept += size; r.kept > maxKept {
		r.broken++
		return
	}
	r.programs[e.key[0]] = r.path(e.strings[0])
}

// path makes a path of the container out of what the programs have found.
func (r *Recorder) path(b []byte) string { return r.root.inside(components(b)) }

// program names a program by its hash.
func (r *Recorder) program(hash uint64) string {
	if name, ok := r.programs[hash]; ok {
		return name
	}
	return "?"
}

// Decide refuses and notes what cannot be watched, and lets all else go.
func (r *Recorder) Decide(c *supervise.Call) supervise.Verdict { return r.record.Refuse(c) }

// Sample keeps the peaks of what the container uses; see record.Recorder.
func (r *Recorder) Sample(ctx context.Context, pid int, every time.Duration) error {
	return r.record.Sample(ctx, pid, every)
}

// Record returns what was seen up to now. It may be called while the container
// runs, and again later, up to [Recorder.Close].
func (r *Recorder) Record() (*evidence.Record, error) {
	if r.kernel != nil {
		if err := r.drain(); err != nil {
			return nil, err
		}
	}
	return r.record.Record(), nil
}

// Close ends the watching.
func (r *Recorder) Close() {
	if r.kernel != nil {
		r.kernel.close()
	}
	if r.reader != nil {
		r.reader.Close()
		<-r.done
	}
	if r.maps != nil {
		r.maps.close()
	}
	if r.root != nil {
		r.root.close()
	}
}
