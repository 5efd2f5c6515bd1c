package front

import (
	"errors"
	"fmt"
	"os"

	"github.com/least-privilege/lpm/cmd/render"
	"github.com/least-privilege/lpm/cmd/report"
)

// Questions are asked by the process that runs the container, which is this
// one: the supervisor waits for the answer. What they are about, the manifests,
// is in the launch's second file, so that no other launch pays for them.

// askError says why nobody can be asked.
type askError struct{ err error }

func (e *askError) Error() string { return e.err.Error() }

func (e *askError) Unwrap() error { return e.err }

// Hint tells the way out.
func (e *askError) Hint() string {
	return "without --ask what the manifest does not grant is refused, and reported; --denials FILE keeps it"
}

// mayAsk refuses questions that nobody could see or answer.
func (f *Flags) mayAsk() error {
	switch {
	case !f.Ask:
		return nil
	case f.TTY:
		return &askError{errors.New("--ask and --tty: the terminal would be the container's, and could not show questions")}
	case !render.NewTerminal(os.Stdin, os.Stdout, os.Stderr).Interactive():
		return &askError{fmt.Errorf("--ask: %w", render.ErrNoTerminal)}
	}
	return nil
}

// newAsker returns who asks the person at the terminal.
func (r *running) newAsker() (*report.Asker, error) {
	content, err := os.ReadFile(r.path + planSuffix)
	if err != nil {
		return nil, errors.Join(ErrStale, err)
	}
	// Another process may have prepared the launch anew between the two files.
	aside, err := r.kept.Aside(content)
	if err != nil {
		return nil, errors.Join(ErrStale, err)
	}
	return r.report.NewAsker(report.AskOptions{
		Image: r.image, Granted: aside.Granted, Asked: aside.Asked, Amended: report.AmendedName(r.image),
	})
}
