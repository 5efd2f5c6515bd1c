package render

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"

	"golang.org/x/sys/unix"
	"golang.org/x/term"
)

// ErrNoTerminal is returned for a question where nobody can be asked.
var ErrNoTerminal = errors.New("there is no terminal to ask on")

// Terminal is where a person reads and answers. See the package comment for
// what goes where.
type Terminal struct {
	// Out and Err are standard output and standard error.
	Out, Err io.Writer
	// Reporting is how progress is reported; zero is [ReportAuto].
	Reporting Reporting

	in          *bufio.Reader
	fd          int
	files       [2]*os.File
	interactive bool
	colour      bool
	redraw      bool
}

// NewTerminal returns the terminal of the process's standard streams. Files
// stay the caller's.
func NewTerminal(in, out, err *os.File) *Terminal {
	isTerminal := func(f *os.File) bool { return term.IsTerminal(int(f.Fd())) }
	smart := os.Getenv("TERM") != "dumb"
	return &Terminal{
		Out:         &output{to: out},
		Err:         err,
		in:          bufio.NewReader(in),
		fd:          int(in.Fd()),
		files:       [2]*os.File{in, out},
		interactive: isTerminal(in) && isTerminal(out) && isTerminal(err),
		colour:      isTerminal(out) && smart && os.Getenv("NO_COLOR") == "",
		redraw:      isTerminal(err) && smart,
	}
}

// Interactive reports whether a person can be asked.
func (t *Terminal) Interactive() bool { return t.interactive }

// Screen returns the files of a terminal that can be drawn on as a whole, and
// false where there is none: where nobody can be asked, or TERM does not name a
// terminal that moves its cursor.
func (t *Terminal) Screen() (in, out *os.File, ok bool) {
	if name := os.Getenv("TERM"); !t.interactive || name == "" || name == "dumb" {
		return nil, nil, false
	}
	return t.files[0], t.files[1], true
}

// Attended reports whether a person sees what is printed beside the output.
func (t *Terminal) Attended() bool { return t.redraw }

// maxAnswer bounds an answer, in bytes.
const maxAnswer = 4096

// Secret asks as Ask does, and the terminal does not show what is typed.
// White space is part of the answer.
func (t *Terminal) Secret(ctx context.Context, question string) (string, error) {
	if !t.interactive {
		return "", ErrNoTerminal
	}
	shown, err := unix.IoctlGetTermios(t.fd, unix.TCGETS)
	if err != nil {
		return "", fmt.Errorf("hiding an answer: %w", err)
	}
	hidden := *shown
	hidden.Lflag &^= unix.ECHO
	hidden.Lflag |= unix.ICANON | unix.ISIG
	// What was typed before the answer was hidden is none.
	if err := unix.IoctlSetTermios(t.fd, unix.TCSETSF, &hidden); err != nil {
		return "", fmt.Errorf("hiding an answer: %w", err)
	}
	line, err := t.line(ctx, question)
	if err == nil {
		fmt.Fprintln(t.Err) // the key that ended it was not shown either
	}
	if shownErr := unix.IoctlSetTermios(t.fd, unix.TCSETS, shown); err == nil && shownErr != nil {
		err = fmt.Errorf("showing what is typed again: %w", shownErr)
	}
	return strings.TrimSuffix(strings.TrimSuffix(line, "\n"), "\r"), err
}

// Ask prints question, which the caller has escaped, and reads one line. At
// the end of input without an answer the error is [io.EOF], and when ctx ends
// first, the context's.
func (t *Terminal) Ask(ctx context.Context, question string) (string, error) {
	if !t.interactive {
		return "", ErrNoTerminal
	}
	line, err := t.line(ctx, question)
	return strings.TrimSpace(line), err
}

// line prints question and reads a line, with its end.
func (t *Terminal) line(ctx context.Context, question string) (string, error) {
	fmt.Fprint(t.Err, question+" ")
	if err := t.wait(ctx); err != nil {
		fmt.Fprintln(t.Err)
		return "", err
	}
	line, err := t.in.ReadString('\n')
	if err != nil && (line == "" || !errors.Is(err, io.EOF)) {
		fmt.Fprintln(t.Err)
		return "", err
	}
	if len(line) > maxAnswer {
		return "", fmt.Errorf("an answer is longer than %d bytes", maxAnswer)
	}
	return line, nil
}

// resets ends what a program's output may have begun: an escape sequence or a
// string that is not finished (CAN, ST), other colours, fonts, character sets
// and scroll regions, a hidden cursor (DECSTR, SGR, SCS, SI), and another
// palette, in which a question could be invisible beside a forged one.
const resets = "\x18\x1b\\\x1b[!p\x1b[0m\x1b(B\x0f\x1b]104\x1b\\\x1b]110\x1b\\\x1b]111\x1b\\\r"

// Fresh readies the terminal for a question that comes among a program's
// output. What was typed before is no answer to it, and may have been typed by
// the terminal itself, which the program can ask for that; it is dropped.
func (t *Terminal) Fresh() error {
	if !t.interactive {
		return ErrNoTerminal
	}
	if _, err := t.in.Discard(t.in.Buffered()); err != nil {
		return err
	}
	if t.redraw {
		fmt.Fprint(t.Err, resets)
	}
	fmt.Fprintln(t.Err)
	if err := unix.IoctlSetInt(t.fd, unix.TCFLSH, unix.TCIFLUSH); err != nil {
		return fmt.Errorf("dropping what was typed before a question: %w", err)
	}
	return nil
}

// wait returns when something can be read. A terminal hands over whole lines,
// so that the read which follows does not wait.
func (t *Terminal) wait(ctx context.Context) error {
	if t.in.Buffered() > 0 {
		return ctx.Err()
	}
	r, w, err := os.Pipe()
	if err != nil {
		return fmt.Errorf("waiting for an answer: %w", err)
	}
	defer r.Close()
	defer w.Close()
	defer context.AfterFunc(ctx, func() { w.Close() })()
	for {
		_, err := unix.Poll([]unix.PollFd{
			{Fd: int32(t.fd), Events: unix.POLLIN},
			{Fd: int32(r.Fd()), Events: unix.POLLIN},
		}, -1)
		switch {
		case ctx.Err() != nil:
			return ctx.Err()
		case err == nil:
			return nil
		case !errors.Is(err, unix.EINTR):
			return fmt.Errorf("waiting for an answer: %w", err)
		}
	}
}

// Confirm asks a question to be answered with yes or no; an empty answer is
// no. It asks again until it understands.
func (t *Terminal) Confirm(ctx context.Context, question string) (bool, error) {
	for {
		answer, err := t.Ask(ctx, question+" [y/N]")
		if err != nil {
			return false, err
		}
		switch strings.ToLower(answer) {
		case "y", "yes":
			return true, nil
		case "", "n", "no":
			return false, nil
		}
	}
}

// Printf prints to standard output. The arguments must have been escaped.
func (t *Terminal) Printf(format string, args ...any) { fmt.Fprintf(t.Out, format, args...) }

// Warn prints a line to standard error, as "lpm: warning: …", escaped.
func (t *Terminal) Warn(format string, args ...any) {
	fmt.Fprintf(t.Err, "lpm: warning: %s\n", Escape(fmt.Sprintf(format, args...)))
}
