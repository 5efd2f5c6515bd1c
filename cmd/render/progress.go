package render

import (
	"encoding/json"
	"fmt"
	"sync"
	"time"

	"github.com/schollz/progressbar/v3"

	"github.com/least-privilege/lpm/manifest"
)

// Reporting is how progress is reported.
type Reporting string

const (
	// ReportAuto draws on a terminal, and elsewhere prints a line.
	ReportAuto Reporting = "auto"
	// ReportJSON prints a JSON object a line, for programs; see [Report].
	ReportJSON Reporting = "json"
	// ReportNone prints nothing.
	ReportNone Reporting = "none"
)

// Report is a line of progress for programs, on standard error. Fields that are
// not known are left out.
type Report struct {
	// Work says what is being done, as "pulling app:1" does.
	Work string `json:"work"`
	// Done and Total count Unit: "bytes", or what the steps are called. The
	// total may grow.
	Done  int64  `json:"done,omitempty"`
	Total int64  `json:"total,omitempty"`
	Unit  string `json:"unit,omitempty"`
	// Step is what the next step is about.
	Step string `json:"step,omitempty"`
	// Ended is true in the last line about the work, whatever came of it.
	Ended bool `json:"ended,omitempty"`
}

// reportJSON prints one line, which is whole also where others print meanwhile.
func (t *Terminal) reportJSON(r Report) {
	line, err := json.Marshal(r)
	if err != nil {
		return // of text and numbers alone there is no error
	}
	_, _ = t.Err.Write(append(line, '\n')) // whoever does not listen misses it
}

// Progress tells a waiting person what is going on. It is safe for use by
// several goroutines.
type Progress struct {
	stop chan struct{}
	done sync.WaitGroup

	mu          sync.Mutex
	have, total int64
}

const (
	// unitBytes is the unit of [Progress].
	unitBytes = "bytes"
	// redrawn is how often what is drawn or printed anew is.
	redrawn = 200 * time.Millisecond
)

// patience is how long work may take before anything is said about it.
const patience = time.Second

// Start begins to report on work, described as "loading x.tar" by text, which
// is escaped. The caller calls Stop when the work has ended. On a terminal a
// line is drawn and drawn again; elsewhere one line is printed.
func (t *Terminal) Start(text string) *Progress {
	p := &Progress{stop: make(chan struct{})}
	if t.Reporting == ReportJSON {
		p.done.Go(func() { t.reportLines(p, text) })
		return p
	}
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

func (p *Progress) amount() (have, total int64) {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.have, p.total
}

// reportLines prints a line at the beginning, at the end, and as often as
// something has changed between, but not all the time.
func (t *Terminal) reportLines(p *Progress, text string) {
	r := Report{Work: text, Unit: unitBytes}
	t.reportJSON(r)
	ticker := time.NewTicker(redrawn)
	defer ticker.Stop()
	for {
		select {
		case <-p.stop:
			r.Done, r.Total = p.amount()
			r.Ended = true
			t.reportJSON(r)
			return
		case <-ticker.C:
		}
		if have, total := p.amount(); have != r.Done || total != r.Total {
			r.Done, r.Total = have, total
			t.reportJSON(r)
		}
	}
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
	var bar *progressbar.ProgressBar
	defer func() { fmt.Fprint(t.Err, "\r\x1b[K") }()
	ticker := time.NewTicker(redrawn)
	defer ticker.Stop()
	for {
		// What is left to do when all bytes are there is not counted.
		if have, total := p.amount(); have >= total {
			bar = nil
			fmt.Fprint(t.Err, "\r\x1b[K"+text+" …")
		} else {
			if bar == nil {
				fmt.Fprint(t.Err, "\r\x1b[K")
				bar = t.drawBar(total, progressbar.OptionShowBytes(true), progressbar.OptionUseIECUnits(true))
				bar.Describe(shortened(text))
			}
			bar.ChangeMax64(total)
			_ = bar.Set64(have) // the only error is of a terminal that is gone
		}
		select {
		case <-p.stop:
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
