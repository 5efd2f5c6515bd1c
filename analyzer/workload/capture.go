package workload

import (
	"errors"
	"fmt"
	"io"
	"os"
	"time"
)

// capture is the streams of a health check: an input with nothing in it, and an
// output of which the beginning is kept. Both are pipes, which lead nowhere.
type capture struct {
	in, out *os.File
	from    *os.File
	text    chan string
}

func newCapture() (_ *capture, err error) {
	c := &capture{text: make(chan string, 1)}
	input, none, err := os.Pipe()
	if err != nil {
		return nil, fmt.Errorf("making a pipe for the health check: %w", err)
	}
	none.Close()
	c.in = input
	if c.from, c.out, err = os.Pipe(); err != nil {
		return nil, errors.Join(fmt.Errorf("making a pipe for the health check: %w", err), input.Close())
	}
	// Whoever the container's user is may open /dev/stdin and /dev/stdout.
	for _, end := range []*os.File{c.in, c.from} {
		if err := end.Chmod(0o666); err != nil {
			return nil, errors.Join(fmt.Errorf("making a pipe for the health check: %w", err), c.in.Close(), c.from.Close(), c.out.Close())
		}
	}
	go func() {
		kept := make([]byte, maxOutput)
		// A read that is told to end has the beginning all the same.
		n, _ := io.ReadFull(c.from, kept)
		_, _ = io.Copy(io.Discard, c.from)
		c.text <- string(kept[:n])
	}()
	return c, nil
}

// close returns what was printed. What a check has left behind may print more,
// which nobody waits for: it finds that nobody reads.
func (c *capture) close() string {
	c.in.Close()
	c.out.Close()
	_ = c.from.SetReadDeadline(time.Now().Add(lingering))
	text := <-c.text
	c.from.Close()
	return text
}

// lingering is how long output is waited for that comes after a check's end.
const lingering = 100 * time.Millisecond
