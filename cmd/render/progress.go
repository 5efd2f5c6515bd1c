package render

import (
	"fmt"
	"sync"
	"time"

	"github.com/least-privilege/lpm/manifest"
)

// Progress tells a waiting person what is going on. It is safe for use by
// several goroutines.
type Progress struct {
	stop chan struct{}
	done sync.WaitGroup

	mu          sync.Mutex
	have, total int64
}

// patience is how long work may take before anything is said about it.
const patience = time.Second

// Start begins to report on work, described as "loading x.tar" by text, which
// is escaped. The caller calls Stop when the work has ended. On a terminal a
// line is drawn and drawn again; elsewhere one line is printed.
func (t *Terminal) Start(text string) *Progress {
	p := &Progress{stop: make(chan struct{})}
	p.done.Go(func() { t.report(p, Escape(text)) })
	return p
}

// Update says that have of total bytes are done.
func (p *Progress) Update(have, total int64) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.have, p.total = have, total
}

// Stop ends the report and removes what was drawn.
func (p *Progress) Stop() {
	close(p.stop)
	p.done.Wait()
}

func (p *Progress) amount() string {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.total <= 0 {
		return ""
	}
	return fmt.Sprintf(" (%d of %d MiB)", p.have>>20, p.total>>20)
}

func (t *Terminal) report(p *Progress, text string) {
	select {
	case <-p.stop:
		return
	case <-time.After(patience):
	}
	if !t.redraw {
		fmt.Fprintln(t.Err, text+" …")
		return
	}
	ticker := time.NewTicker(patience / 5)
	defer ticker.Stop()
	for {
		fmt.Fprint(t.Err, "\r\x1b[K"+text+p.amount()+" …")
		select {
		case <-p.stop:
			fmt.Fprint(t.Err, "\r\x1b[K")
			return
		case <-ticker.C:
		}
	}
}

// Size returns a number of bytes in a unit that keeps it short, rounded, such
// as "13.4 MiB".
func Size(n int64) string {
	const step = 1024
	if n < step {
		return manifest.Bytes(n)
	}
	value, unit := float64(n), 0
	for value >= step && unit < 4 {
		value /= step
		unit++
	}
	return fmt.Sprintf("%.1f %s", value, [...]string{"B", "KiB", "MiB", "GiB", "TiB"}[unit])
}
