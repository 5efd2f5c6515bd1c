package report

import (
	"fmt"
	"io"
	"sync"
	"time"
)

// How much is printed while a container runs: at first burst lines at once, and
// then one in each interval.
const (
	burst    = 8
	interval = 250 * time.Millisecond
)

// live prints lines from a goroutine of its own, so that a terminal that is
// slow, or taken by a question, keeps no call of the container waiting. What
// it cannot print in time it counts.
type live struct {
	out  io.Writer
	gate sync.Locker
	// newline begins at the left edge also where the terminal is in raw mode.
	newline string
	lines   chan string
	ended   chan struct{}
	printed sync.WaitGroup

	mu   sync.Mutex
	more uint64
}

func start(out io.Writer, gate sync.Locker, raw bool) *live {
	l := &live{out: out, gate: gate, newline: "\n", lines: make(chan string, burst), ended: make(chan struct{})}
	if raw {
		l.newline = "\r\n"
	}
	l.printed.Go(l.print)
	return l
}

// say prints a line, soon, or counts it.
func (l *live) say(line string) {
	select {
	case l.lines <- line:
	default:
		l.mu.Lock()
		defer l.mu.Unlock()
		l.more++
	}
}

// end prints what is left, which is little, at once. No line may be said any
// more.
func (l *live) end() {
	close(l.ended)
	close(l.lines)
	l.printed.Wait()
}

func (l *live) print() {
	pace := pace{now: time.Now, sleep: l.sleep}
	for line := range l.lines {
		pace.wait()
		l.line(line)
		if n := l.missed(); n > 0 {
			pace.wait()
			l.line(fmt.Sprintf("lpm: … and %d more", n))
		}
	}
}

// sleep waits, unless nobody says anything any more.
func (l *live) sleep(d time.Duration) {
	select {
	case <-time.After(d):
	case <-l.ended:
	}
}

func (l *live) line(text string) {
	l.gate.Lock()
	defer l.gate.Unlock()
	fmt.Fprint(l.out, text, l.newline)
}

// missed returns how many lines were counted since it was called last.
func (l *live) missed() uint64 {
	l.mu.Lock()
	defer l.mu.Unlock()
	n := l.more
	l.more = 0
	return n
}

// pace lets something happen burst times, and then once in an interval (the
// generic cell rate algorithm).
type pace struct {
	now   func() time.Time
	sleep func(time.Duration)
	next  time.Time
}

func (p *pace) wait() {
	now := p.now()
	if p.next.Before(now) {
		p.next = now
	}
	if early := p.next.Sub(now) - (burst-1)*interval; early > 0 {
		p.sleep(early)
	}
	p.next = p.next.Add(interval)
}
