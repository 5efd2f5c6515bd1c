// Package journal keeps the outcomes of trials in a file, so that a search that
// was interrupted goes on where it was.
//
// The file has lines of JSON: at first a [header], which says what the trials
// are of, then one for each outcome, on the disk before the next trial relies
// on it. A last line that is torn is what a crash has left; it is cut off.
// Anything else that is wrong is an error.
package journal

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"sync"

	"golang.org/x/sys/unix"

	"github.com/least-privilege/lpm/analyzer/prove"
)

// maxSize bounds a journal, in bytes. An outcome takes a few hundred.
const maxSize = 64 << 20

// version is that of the format.
const version = 1

// header is the first line.
type header struct {
	Version int `json:"version"`
	// Of is what the trials are of: a digest of the image, the manifest and
	// the workload.
	Of string `json:"of"`
}

// line is each further one.
type line struct {
	prove.Trial
	Outcome prove.Outcome `json:"outcome"`
}

// ErrInUse is returned for a journal that another process has open.
var ErrInUse = errors.New("another lpm works with it")

// ErrForeign is returned for the journal of other trials.
var ErrForeign = errors.New("it is of another image, manifest or workload")

// Journal is an open journal. It can be used by several goroutines.
type Journal struct {
	file *os.File
	mu   sync.Mutex
	// known are the outcomes by trial.
	known map[string]prove.Outcome
	// failed is why nothing more can be written.
	failed error
}

// Open opens the journal at a path, or begins one. of says what its trials are
// of. It returns [ErrInUse], [ErrForeign] or a reading error, with the path.
// The caller closes it.
func Open(path, of string) (j *Journal, err error) {
	f, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE|unix.O_NOFOLLOW, 0o644)
	if err != nil {
		return nil, err
	}
	defer func() {
		if err != nil {
			f.Close()
			err = fmt.Errorf("journal %s: %w", path, err)
		}
	}()
	if err := unix.Flock(int(f.Fd()), unix.LOCK_EX|unix.LOCK_NB); errors.Is(err, unix.EWOULDBLOCK) {
		return nil, ErrInUse
	} else if err != nil {
		return nil, err
	}
	data, err := io.ReadAll(io.LimitReader(f, maxSize+1))
	if err != nil {
		return nil, err
	}
	if len(data) > maxSize {
		return nil, fmt.Errorf("it is larger than %d bytes", maxSize)
	}
	j = &Journal{file: f, known: map[string]prove.Outcome{}}
	whole, err := j.read(data, of)
	if err != nil {
		return nil, err
	}
	if err := f.Truncate(int64(whole)); err != nil {
		return nil, err
	}
	if _, err := f.Seek(int64(whole), io.SeekStart); err != nil {
		return nil, err
	}
	if whole == 0 {
		return j, j.append(header{version, of})
	}
	return j, nil
}

// read reads the lines, and returns how many bytes the whole ones have.
func (j *Journal) read(data []byte, of string) (whole int, err error) {
	for n := 1; ; n++ {
		end := bytes.IndexByte(data[whole:], '\n')
		if end < 0 && n == 1 && !begins(data) {
			return 0, errNoJournal
		}
		if end < 0 {
			return whole, nil
		}
		text := data[whole : whole+end]
		whole += end + 1
		if n == 1 {
			var h header
			if err := decode(text, &h); err != nil || h.Version != version {
				return 0, errNoJournal
			}
			if h.Of != of {
				return 0, ErrForeign
			}
			continue
		}
		var l line
		if err := decode(text, &l); err != nil {
			return 0, fmt.Errorf("line %d: %w", n, err)
		}
		switch l.Outcome.Verdict {
		case prove.Passed, prove.Failed, prove.TimedOut:
		default:
			return 0, fmt.Errorf("line %d: %q is no verdict", n, l.Outcome.Verdict)
		}
		j.known[key(l.Trial)] = l.Outcome
	}
}

var errNoJournal = errors.New("line 1: it is no journal of this version of lpm")

// begins reports whether a file without a whole line can be what is left of a
// journal: only that is cut off, and no file of somebody else's.
func begins(data []byte) bool {
	start := fmt.Appendf(nil, `{"version":%d,"of":"`, version)
	n := min(len(data), len(start))
	return bytes.Equal(data[:n], start[:n])
}

func decode(text []byte, into any) error {
	d := json.NewDecoder(bytes.NewReader(text))
	d.DisallowUnknownFields()
	return d.Decode(into)
}

func key(t prove.Trial) string { return fmt.Sprint(t.Attempt, t.Without) }

// Len returns how many outcomes there are.
func (j *Journal) Len() int {
	j.mu.Lock()
	defer j.mu.Unlock()
	return len(j.known)
}

// Lookup returns the outcome of a trial that was made.
func (j *Journal) Lookup(t prove.Trial) (prove.Outcome, bool) {
	j.mu.Lock()
	defer j.mu.Unlock()
	o, ok := j.known[key(t)]
	return o, ok
}

// Add keeps an outcome. When it returns nil, it is on the disk.
func (j *Journal) Add(t prove.Trial, o prove.Outcome) error {
	j.mu.Lock()
	defer j.mu.Unlock()
	if err := j.append(line{t, o}); err != nil {
		return fmt.Errorf("journal %s: %w", j.file.Name(), err)
	}
	j.known[key(t)] = o
	return nil
}

// append writes a line. After a failure nothing more is written, for it may
// have left half a line.
func (j *Journal) append(v any) error {
	if j.failed != nil {
		return j.failed
	}
	text, err := json.Marshal(v)
	if err != nil {
		return err
	}
	if _, err = j.file.Write(append(text, '\n')); err == nil {
		err = j.file.Sync()
	}
	j.failed = err
	return err
}

// Close closes the journal.
func (j *Journal) Close() error { return j.file.Close() }
