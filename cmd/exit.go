package cmd

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"os"
	"os/signal"
	"strconv"
	"strings"
	"syscall"

	"github.com/spf13/cobra"

	"github.com/least-privilege/lpm/cmd/render"
	"github.com/least-privilege/lpm/enforcer/plan"
)

// The exit codes of all verbs but run and check; see failureCode.
const (
	exitOK     = 0
	exitFailed = 1
	exitUsage  = 2
)

// Annotations of a verb that has other codes for errors that carry none: run,
// which leaves low codes to the container, and those for which 1 is a verdict.
// Without a usageCode, the failureCode is that of usage errors too.
const (
	failureCode = "failure code"
	usageCode   = "usage code"
)

// exitError ends lpm with a code. Without an error inside, it prints nothing:
// the verb has printed its result.
type exitError struct {
	code int
	err  error
}

func (e *exitError) Error() string {
	if e.err == nil {
		return "exit status " + strconv.Itoa(e.code)
	}
	return e.err.Error()
}

func (e *exitError) Unwrap() error { return e.err }

// usageError is a command line that lpm cannot act on.
type usageError struct {
	// verb is the one that was called, and may be nil.
	verb   *cobra.Command
	err    error
	advice string
}

func (e *usageError) Error() string { return e.err.Error() }

func (e *usageError) Unwrap() error { return e.err }

// Hint tells how the command line can be mended.
func (e *usageError) Hint() string {
	switch {
	case e.advice != "":
		return e.advice
	case e.verb != nil:
		return "see: " + e.verb.CommandPath() + " --help"
	}
	return ""
}

// usagef returns a usage error with a hint.
func usagef(advice, format string, args ...any) error {
	return &usageError{advice: advice, err: fmt.Errorf(format, args...)}
}

// adviser is an error that knows a way out.
type adviser interface{ Hint() string }

// report prints an error and returns the exit code.
func (s *session) report(ctx context.Context, verb *cobra.Command, err error) int {
	if err == nil {
		return exitOK
	}
	var stopped *stoppedError
	if errors.As(context.Cause(ctx), &stopped) && errors.Is(err, context.Canceled) {
		return stopped.code()
	}
	var exit *exitError
	if errors.As(err, &exit) && exit.err == nil {
		return exit.code
	}
	for i, line := range lines(err) {
		if i == 0 {
			line = "lpm: " + line
		}
		fmt.Fprintln(s.term.Err, line)
	}
	var a adviser
	if errors.As(err, &a) && a.Hint() != "" {
		fmt.Fprintln(s.term.Err, "hint: "+render.Escape(a.Hint()))
	}
	return code(verb, exit, err)
}

func code(verb *cobra.Command, exit *exitError, err error) int {
	if exit != nil {
		return exit.code
	}
	own := map[string]string{}
	if verb != nil {
		own = verb.Annotations
	}
	text := own[failureCode]
	var usage *usageError
	if errors.As(err, &usage) || errors.Is(err, render.ErrNoTerminal) {
		text = cmp.Or(own[usageCode], text, strconv.Itoa(exitUsage))
	}
	if number, err := strconv.Atoi(text); err == nil {
		return number
	}
	return exitFailed
}

// lines returns an error's text, escaped: one line, or one for each error that
// it lists.
func lines(err error) []string {
	if u, ok := errors.AsType[*plan.UnenforceableError](err); ok && len(u.What) > 1 {
		all := []string{fmt.Sprintf("this host cannot enforce %d parts of the manifest:", len(u.What))}
		for _, what := range u.What {
			all = append(all, "  "+render.Escape(what))
		}
		return all
	}
	for e := err; e != nil; e = inside(e) {
		list := listed(e)
		if list == nil {
			continue
		}
		var all []string
		for _, each := range list {
			all = append(all, lines(each)...)
		}
		context, _, _ := strings.Cut(err.Error(), e.Error())
		all[0] = render.Escape(context) + all[0]
		return all
	}
	return []string{render.Escape(err.Error())}
}

// inside returns the error that another wraps, be it as a list of one.
func inside(err error) error {
	if several, ok := err.(interface{ Unwrap() []error }); ok {
		if list := several.Unwrap(); len(list) == 1 {
			return list[0]
		}
	}
	return errors.Unwrap(err)
}

// listed returns the errors of a list, which prints each on a line of its own;
// nil for an error that merely wraps several.
func listed(err error) []error {
	several, ok := err.(interface{ Unwrap() []error })
	if !ok {
		return nil
	}
	list := several.Unwrap()
	texts := make([]string, len(list))
	for i, each := range list {
		texts[i] = each.Error()
	}
	if len(list) < 2 || err.Error() != strings.Join(texts, "\n") {
		return nil
	}
	return list
}

// stoppedError is the cause of a context that a signal ended.
type stoppedError struct{ signal os.Signal }

func (e *stoppedError) Error() string { return "stopped by signal: " + e.signal.String() }

// code is the exit code that a shell expects of a program the signal ended.
func (e *stoppedError) code() int {
	if number, ok := e.signal.(syscall.Signal); ok {
		return 128 + int(number)
	}
	return exitFailed
}

// withSignals returns a context that ends at the first SIGINT or SIGTERM; a
// second one then ends the process at once. The caller calls stop.
func withSignals(parent context.Context) (ctx context.Context, stop func()) {
	ctx, cancel := context.WithCancelCause(parent)
	signals := make(chan os.Signal, 1)
	for _, s := range []os.Signal{os.Interrupt, syscall.SIGTERM} {
		// A script's background jobs are started to ignore Ctrl-C.
		if !signal.Ignored(s) {
			signal.Notify(signals, s)
		}
	}
	done := make(chan struct{})
	go func() {
		defer close(done)
		select {
		case received := <-signals:
			signal.Stop(signals)
			cancel(&stoppedError{received})
		case <-ctx.Done():
		}
	}()
	return ctx, func() {
		signal.Stop(signals)
		cancel(nil)
		<-done
	}
}
