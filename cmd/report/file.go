package report

import (
	"errors"
	"fmt"
	"os"
	"sync"
	"time"

	"github.com/least-privilege/lpm/cmd/render"
	"github.com/least-privilege/lpm/enforcer/supervise"
)

// formatVersion is that of the file. Programs that read it ignore lines of a
// type, and fields, that they do not know; what a version has stays as it is.
const formatVersion = 1

// file takes the lines for programs. Each is written as a whole when it
// happens, so that what kills lpm leaves them; nil takes none.
type file struct {
	mu  sync.Mutex
	f   *os.File
	err error
}

func create(name string) (*file, error) {
	f, err := os.Create(name)
	if err != nil {
		return nil, err
	}
	return &file{f: f}, nil
}

// head is what every line begins with.
type head struct {
	Type string    `json:"type"`
	Time time.Time `json:"time"`
}

func newHead(kind string) head { return head{kind, now()} }

// write writes a line. The first error is kept for the end: it is no reason to
// end a container.
func (w *file) write(v any) {
	if w == nil {
		return
	}
	line, err := render.JSONLine(v)
	w.mu.Lock()
	defer w.mu.Unlock()
	if err == nil && w.err == nil {
		_, err = w.f.Write(line)
	}
	if w.err == nil && err != nil {
		w.err = fmt.Errorf("writing what was refused: %w", err)
	}
}

func (w *file) denial(d supervise.Denial) {
	w.write(struct {
		head
		supervise.Denial
	}{newHead("denial"), d})
}

// end writes what has changed since it was last written, and the sum.
func (w *file) end(e End) error {
	total := e.Others
	for _, d := range e.Denials {
		total += d.Count
		// Those have been written: see supervise.Options.
		if d.Count&(d.Count-1) != 0 {
			w.denial(d)
		}
	}
	w.write(struct {
		head
		Denials  uint64 `json:"denials"`
		Distinct int    `json:"distinct"`
		Others   uint64 `json:"others"`
		Calls    uint64 `json:"calls"`
		Code     int    `json:"code"`
	}{newHead("summary"), total, len(e.Denials), e.Others, e.Calls, e.Code})
	return w.close()
}

func (w *file) close() error {
	if w == nil {
		return nil
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	err := errors.Join(w.err, w.f.Close())
	w.err = errClosed
	return err
}
