package client

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"time"
)

// paced makes a request whose answer is given up when it stalls.
func (t *Transport) paced(r *http.Request) (*http.Response, error) {
	ctx, cancel := context.WithCancelCause(r.Context())
	answer, err := t.base.RoundTrip(r.WithContext(ctx))
	if err != nil {
		cancel(nil)
		return nil, err
	}
	answer.Body = &body{ReadCloser: answer.Body, t: t, ctx: ctx, cancel: cancel}
	// The request as the caller made it: who follows a redirect looks at it.
	answer.Request = r
	return answer, nil
}

// body is an answer that is being read.
type body struct {
	io.ReadCloser
	t      *Transport
	ctx    context.Context
	cancel context.CancelCauseFunc
	// waited is how long was waited for the last got bytes. What the reader
	// does between two reads takes its own time.
	waited time.Duration
	got    int64
}

func (b *body) Read(p []byte) (int, error) {
	begun := time.Now()
	late := time.AfterFunc(b.t.stall-b.waited, func() { b.cancel(ErrStalled) })
	n, err := b.ReadCloser.Read(p)
	late.Stop()
	b.waited += time.Since(begun)
	if b.got += int64(n); b.got >= b.t.least {
		b.waited, b.got = 0, 0
	}
	if err != nil && !errors.Is(err, io.EOF) && errors.Is(context.Cause(b.ctx), ErrStalled) {
		err = fmt.Errorf("%w: fewer than %d bytes in %s", ErrStalled, b.t.least, b.t.stall)
	}
	return n, err
}

func (b *body) Close() error {
	b.cancel(nil)
	return b.ReadCloser.Close()
}
