package client

import (
	"context"
	"errors"
	"io"
	"net/http"
	"slices"
	"strconv"
	"syscall"
	"time"
)

// attempts is how often a request is made at most.
const attempts = 4

// Whole does work that reads an answer to its end, and does it again, from the
// beginning, where the connection is cut meanwhile: the transport itself can
// only make requests again that have not been answered.
func Whole(ctx context.Context, work func() error) error {
	pause := 200 * time.Millisecond
	for n := 1; ; n++ {
		err := work()
		if err == nil || n == attempts || !isPassing(err) || ctx.Err() != nil {
			return err
		}
		if err := sleep(ctx, pause); err != nil {
			return err
		}
		pause *= 3
	}
}

// retry makes requests again that may go better the next time.
type retry struct {
	// pause is the first pause, of which each further one is three times the
	// one before; longest is how long all pauses of a request may take.
	pause, longest time.Duration
}

// do makes a request. The last answer, or error, is the caller's.
func (t retry) do(r *http.Request, send func(*http.Request) (*http.Response, error)) (*http.Response, error) {
	pause, left := t.pause, t.longest
	for n := 1; ; n++ {
		answer, err := send(r)
		wait, again := next(answer, err, pause, time.Now())
		if !again || n == attempts || wait > left {
			return answer, err
		}
		rest, ok := rewound(r)
		if !ok {
			return answer, err
		}
		if answer != nil {
			discard(answer.Body)
		}
		if err := sleep(r.Context(), wait); err != nil {
			return nil, err
		}
		r, pause, left = rest, 3*pause, left-wait
	}
}

// next decides whether a request is made again, and after what pause: that
// which the registry asks for, by seconds or a time (RFC 9110, section 10.2.3),
// or the given one.
func next(answer *http.Response, err error, pause time.Duration, now time.Time) (wait time.Duration, again bool) {
	if err != nil {
		return pause, isPassing(err)
	}
	switch answer.StatusCode {
	case http.StatusTooManyRequests, http.StatusServiceUnavailable:
		if asked, ok := retryAfter(answer.Header.Get("Retry-After"), now); ok {
			return asked, true
		}
		return pause, true
	case http.StatusRequestTimeout, http.StatusInternalServerError, http.StatusBadGateway, http.StatusGatewayTimeout:
		return pause, true
	}
	return 0, false
}

func retryAfter(text string, now time.Time) (time.Duration, bool) {
	if seconds, err := strconv.ParseUint(text, 10, 31); err == nil {
		return time.Duration(seconds) * time.Second, true
	}
	at, err := http.ParseTime(text)
	return max(0, at.Sub(now)), err == nil
}

// isPassing tells what a connection ends with that was cut. One that was
// refused, or a name that is not there, is for the caller at once.
func isPassing(err error) bool {
	return slices.ContainsFunc([]error{io.EOF, io.ErrUnexpectedEOF, syscall.ECONNRESET, syscall.EPIPE}, func(e error) bool { return errors.Is(err, e) })
}

// rewound returns the request with its body from the beginning, where it can be
// had again.
func rewound(r *http.Request) (*http.Request, bool) {
	if r.Body == nil || r.Body == http.NoBody {
		return r, true
	}
	if r.GetBody == nil {
		return nil, false
	}
	body, err := r.GetBody()
	if err != nil {
		return nil, false
	}
	again := r.Clone(r.Context())
	again.Body = body
	return again, true
}

// discard reads what little is left of an answer, so that its connection can be
// used again.
func discard(body io.ReadCloser) {
	_, _ = io.CopyN(io.Discard, body, 64<<10)
	_ = body.Close()
}

func sleep(ctx context.Context, d time.Duration) error {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-timer.C:
		return nil
	}
}
