package ablation

import (
	"bytes"
	"cmp"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"
	"unicode"
)

// scene is what a run has for itself.
type scene struct {
	number int
	// volumes is the folder of its volumes, which is made when there is one.
	volumes string
	// write is where the container and the exercise print. read is its other
	// end, done is closed when nothing more comes.
	write, read *os.File
	done        chan struct{}
	kept        tail
}

// scene makes what the next run has for itself.
func (r *runner) scene() (*scene, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for {
		r.number++
		// Outputs of an earlier search stay.
		_, err := os.Lstat(filepath.Join(r.dir, "output", fmt.Sprintf("%d.txt", r.number)))
		if errors.Is(err, os.ErrNotExist) {
			break
		}
		if err != nil {
			return nil, err
		}
	}
	s := &scene{number: r.number, volumes: filepath.Join(r.dir, volumesFolder, fmt.Sprint(r.number)), done: make(chan struct{})}
	var err error
	if s.read, s.write, err = os.Pipe(); err != nil {
		return nil, err
	}
	go func() {
		defer close(s.done)
		// It ends with an error where close does not wait any longer.
		_, _ = io.Copy(&s.kept, s.read)
	}()
	return s, nil
}

// lastWords is how long what was started by an exercise and outlives it may
// still print.
const lastWords = 200 * time.Millisecond

// close returns what was printed, its beginning and its end.
func (s *scene) close() ([]byte, error) {
	err := s.write.Close()
	select {
	case <-s.done:
	case <-time.After(lastWords):
	}
	err = errors.Join(err, s.read.Close())
	<-s.done
	return s.kept.text(), err
}

// maxKept bounds what is kept of a run's output, at each end, in bytes.
const maxKept = 64 << 10

// tail keeps the beginning and the end of what is written to it.
type tail struct {
	head, end []byte
	dropped   int
}

// Write implements io.Writer. It never fails.
func (t *tail) Write(p []byte) (int, error) {
	n := len(p)
	room := min(maxKept-len(t.head), len(p))
	t.head, p = append(t.head, p[:room]...), p[room:]
	t.end = append(t.end, p...)
	if extra := len(t.end) - maxKept; extra > maxKept {
		t.dropped += extra
		t.end = append(t.end[:0], t.end[extra:]...)
	}
	return n, nil
}

func (t *tail) text() []byte {
	end, dropped := t.end, t.dropped
	if extra := len(end) - maxKept; extra > 0 {
		end, dropped = end[extra:], dropped+extra
	}
	if dropped == 0 {
		return append(bytes.Clone(t.head), end...)
	}
	return fmt.Appendf(bytes.Clone(t.head), "\n[%d bytes left out]\n%s", dropped, end)
}

// refusals and failures are what lines say that tell why a program failed.
var (
	refusals = []string{"not permitted", "permission denied", "read-only file system", "eacces", "eperm", "erofs"}
	failures = []string{"[errno", "denied", "fail", "cannot", "can't", "could not", "fatal", "panic", "not found", "error"}
)

// telling returns the line that says most of why a run failed: the first that
// speaks of a refusal, or else of a failure, or else the last.
func telling(text []byte) string {
	last, failure := "", ""
	for line := range strings.Lines(string(text)) {
		if line = strings.TrimSpace(line); line == "" {
			continue
		}
		last = line
		lower := strings.ToLower(line)
		says := func(word string) bool { return strings.Contains(lower, word) }
		if slices.ContainsFunc(refusals, says) {
			return plain(line)
		}
		if failure == "" && slices.ContainsFunc(failures, says) {
			failure = line
		}
	}
	return plain(cmp.Or(failure, last))
}

// maxLine bounds what is kept of a line, in bytes.
const maxLine = 200

// plain returns a text of the container as one line of bounded length without
// what a terminal could take for a command.
func plain(text string) string {
	text = strings.Map(func(r rune) rune {
		if r == '\n' || r == '\t' {
			return ' '
		}
		if r == unicode.ReplacementChar || !unicode.IsPrint(r) {
			return '?'
		}
		return r
	}, text)
	if len(text) <= maxLine {
		return text
	}
	return strings.ToValidUTF8(text[:maxLine], "") + "…"
}
