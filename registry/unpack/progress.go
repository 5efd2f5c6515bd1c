package unpack

import (
	"encoding/binary"
	"fmt"
	"io"
	"os"
)

// progress sums up what was read of an image's layers.
type progress struct {
	tell        func(done, total int64)
	file        *os.File // or nil
	done, total int64
}

func newProgress(job Job, layers []layer) (*progress, error) {
	p := &progress{tell: job.Progress}
	for _, l := range layers {
		p.total += l.desc.Size
	}
	if job.ProgressFile == "" {
		return p, nil
	}
	var err error
	if p.file, err = os.OpenFile(job.ProgressFile, os.O_WRONLY, 0); err != nil {
		return nil, fmt.Errorf("telling the progress: %w", err)
	}
	return p, nil
}

func (p *progress) read(n int) {
	p.done += int64(n)
	done := min(p.done, p.total)
	if p.tell != nil {
		p.tell(done, p.total)
	}
	if p.file != nil {
		numbers := binary.BigEndian.AppendUint64(nil, uint64(done))
		// Whoever does not get it sees no progress; the work goes on.
		_, _ = p.file.WriteAt(binary.BigEndian.AppendUint64(numbers, uint64(p.total)), 0)
	}
}

func (p *progress) close() {
	if p.file != nil {
		_ = p.file.Close()
	}
}

// ReadProgress reads what a job with a ProgressFile has written so far, and
// reports whether there is something.
func ReadProgress(f io.ReaderAt) (done, total int64, ok bool) {
	var numbers [16]byte
	if _, err := f.ReadAt(numbers[:], 0); err != nil {
		return 0, 0, false
	}
	return int64(binary.BigEndian.Uint64(numbers[:8])), int64(binary.BigEndian.Uint64(numbers[8:])), true
}
