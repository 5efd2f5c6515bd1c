package render

import "io"

// output remembers the first error of what is written through it, so that
// whoever prints a hundred lines need not look at each. It is for one
// goroutine at a time.
type output struct {
	to  io.Writer
	err error
}

// Write implements io.Writer.
func (o *output) Write(p []byte) (int, error) {
	n, err := o.to.Write(p)
	if o.err == nil {
		o.err = err
	}
	return n, err
}

// Lost returns the first error of writing to standard output, after which what
// was printed is not complete.
func (t *Terminal) Lost() error {
	if o, ok := t.Out.(*output); ok {
		return o.err
	}
	return nil
}
