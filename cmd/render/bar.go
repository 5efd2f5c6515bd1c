package render

import (
	"fmt"
	"sync"
	"time"

	"github.com/schollz/progressbar/v3"
)

// Bar tells a waiting person how far work is that consists of many steps, and
// how long it will take. On a terminal a bar is drawn and drawn again;
// elsewhere a line is printed now and then. It is safe for use by several
// goroutines.
type Bar struct {
	t       *Terminal
	noun    string
	mu      sync.Mutex
	bar     *progressbar.ProgressBar
	begun   time.Time
	first   int // how many steps were done when it began
	printed time.Time
	last    Report
}

// between is how long lines of a [Bar] are apart where there is no terminal.
const between = 10 * time.Second

// Bar begins to report on steps that are called by noun, in the plural. The
// caller calls Stop when the work has ended.
func (t *Terminal) Bar(noun string) *Bar {
	return &Bar{t: t, noun: noun, first: -1}
}

// drawBar begins to draw a bar on the terminal.
func (t *Terminal) drawBar(total int64, options ...progressbar.Option) *progressbar.ProgressBar {
	return progressbar.NewOptions64(total, append(options, progressbar.OptionSetWriter(t.Err), progressbar.OptionFullWidth(),
		progressbar.OptionSetPredictTime(true), progressbar.OptionClearOnFinish(),
		progressbar.OptionSetElapsedTime(false))...)
}

// shortened leaves room for the bar beside a text.
func shortened(text string) string {
	const width = 40
	if runes := []rune(text); len(runes) > width {
		text = string(runes[:width-1]) + "…"
	}
	return text
}

// Update says that some steps are done, and about how many are left. text is
// what the next is about; it is escaped.
func (b *Bar) Update(done, left int, text string) {
	b.mu.Lock()
	defer b.mu.Unlock()
	raw := text
	text = Escape(text)
	if b.t.Reporting == ReportJSON {
		b.last = Report{Work: b.noun, Unit: b.noun, Done: int64(done), Total: int64(done + left), Step: raw}
		b.t.reportJSON(b.last)
		return
	}
	if b.first < 0 {
		b.first, b.begun = done, time.Now()
		if b.t.redraw {
			b.bar = b.t.drawBar(int64(done+left), progressbar.OptionShowCount(), progressbar.OptionThrottle(redrawn/2))
		}
	}
	if b.bar != nil {
		b.bar.Describe(shortened(text))
		b.bar.ChangeMax(max(done+left, 1))
		// The only error is of a terminal that is gone.
		_ = b.bar.Set(done)
		return
	}
	if time.Since(b.printed) >= between {
		b.printed = time.Now()
		fmt.Fprintf(b.t.Err, "lpm: %d %s, about %d to come%s: %s\n", done, b.noun, left, b.estimate(done, left), text)
	}
}

// estimate says how long the steps that are left will take.
func (b *Bar) estimate(done, left int) string {
	if done <= b.first {
		return ""
	}
	each := time.Since(b.begun) / time.Duration(done-b.first)
	return ", " + (each * time.Duration(left)).Round(time.Second).String()
}

// Stop ends the report and removes what was drawn.
func (b *Bar) Stop() {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.last.Work != "" {
		b.last.Ended, b.last.Step = true, ""
		b.t.reportJSON(b.last)
	}
	if b.bar != nil {
		_ = b.bar.Exit()
		_ = b.bar.Clear()
		fmt.Fprint(b.t.Err, "\r\x1b[K")
	}
}
