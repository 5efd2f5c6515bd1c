package userns

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strings"
	"syscall"

	"golang.org/x/sys/unix"

	"github.com/least-privilege/lpm/enforcer/plan"
)

// Work is a piece of work that [Run] does inside a user namespace: JSON in,
// a value that becomes JSON out.
type Work func(ctx context.Context, in json.RawMessage) (out any, err error)

// The first argument of a process that [Run] starts tells how far it is.
const (
	verbWait = "lpm-userns-wait"
	verbWork = "lpm-userns-work"
)

// syncFD is where the process is told that its ids are mapped.
const syncFD = 3

// reply is what the process writes to its standard output.
type reply struct {
	Out   json.RawMessage `json:"out,omitempty"`
	Error string          `json:"error,omitempty"`
	Hint  string          `json:"hint,omitempty"`
}

// Error is an error of the work, which happened in another process.
type Error struct {
	// Message and Advice are its text and its hint, which may be empty.
	Message, Advice string
}

func (e *Error) Error() string { return e.Message }

// Hint tells the way out, if there is one.
func (e *Error) Hint() string { return e.Advice }

// Run does the named piece of work in a new user namespace with the given
// maps, as its root, and stores the result in out. The caller's program is
// executed again; it must call [Main] first of all.
func Run(ctx context.Context, id plan.Identity, name string, in, out any) error {
	input, err := json.Marshal(in)
	if err != nil {
		return fmt.Errorf("passing work to a user namespace: %w", err)
	}
	told, tell, err := os.Pipe()
	if err != nil {
		return err
	}
	defer told.Close()
	defer tell.Close()

	var stdout, stderr bytes.Buffer
	cmd := exec.CommandContext(ctx, "/proc/self/exe")
	cmd.Args = []string{verbWait, name}
	cmd.Stdin, cmd.Stdout, cmd.Stderr = bytes.NewReader(input), &stdout, &stderr
	cmd.ExtraFiles = []*os.File{told}
	cmd.SysProcAttr = &syscall.SysProcAttr{Cloneflags: syscall.CLONE_NEWUSER}
	if err := cmd.Start(); err != nil {
		return fmt.Errorf("making a user namespace: %w", err)
	}
	mapping := Map(cmd.Process.Pid, id)
	if mapping == nil {
		_, mapping = tell.Write([]byte{1})
	}
	tell.Close()
	err = cmd.Wait()
	if mapping != nil {
		return mapping
	}
	if ctx.Err() != nil {
		return ctx.Err()
	}
	var r reply
	if json.Unmarshal(stdout.Bytes(), &r) != nil {
		return fmt.Errorf("working in a user namespace: %w: %s", errors.Join(err, io.ErrUnexpectedEOF), strings.TrimSpace(stderr.String()))
	}
	if r.Error != "" {
		return &Error{Message: r.Error, Advice: r.Hint}
	}
	if out == nil {
		return nil
	}
	return json.Unmarshal(r.Out, out)
}

// Main does the work that [Run] has started this process for, and does not
// return; in any other process it returns at once.
func Main(works map[string]Work) {
	if len(os.Args) != 2 {
		return
	}
	switch os.Args[0] {
	case verbWait:
		wait()
	case verbWork:
		work(works[os.Args[1]])
	}
}

// wait waits for the maps, then starts the program once more: only an
// execution as the namespace's root gives its capabilities, and before the
// maps there was no root.
func wait() {
	sync := os.NewFile(syncFD, "sync")
	var b [1]byte
	if _, err := sync.Read(b[:]); err != nil {
		os.Exit(1)
	}
	sync.Close()
	err := syscall.Exec("/proc/self/exe", []string{verbWork, os.Args[1]}, os.Environ())
	fmt.Fprintln(os.Stderr, "starting again in the user namespace:", err)
	os.Exit(1)
}

func work(w Work) {
	// The caller's end is this process's end too.
	_ = unix.Prctl(unix.PR_SET_PDEATHSIG, uintptr(unix.SIGKILL), 0, 0, 0)
	if w == nil {
		fmt.Fprintln(os.Stderr, "no such work:", os.Args[1])
		os.Exit(1)
	}
	var r reply
	out, err := func() (any, error) {
		input, err := io.ReadAll(os.Stdin)
		if err != nil {
			return nil, err
		}
		return w(context.Background(), input)
	}()
	if err == nil {
		r.Out, err = json.Marshal(out)
	}
	if err != nil {
		r.Error = err.Error()
		var h interface{ Hint() string }
		if errors.As(err, &h) {
			r.Hint = h.Hint()
		}
	}
	if err := json.NewEncoder(os.Stdout).Encode(r); err != nil {
		os.Exit(1)
	}
	os.Exit(0)
}
