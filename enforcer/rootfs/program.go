package rootfs

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"strings"

	"github.com/least-privilege/lpm/enforcer/plan"
)

// ProgramError says why a program cannot be started. It wraps
// [fs.ErrNotExist] where there is none and [fs.ErrPermission] where there is a
// file that cannot be executed.
type ProgramError struct {
	Program string
	Err     error
}

func (e *ProgramError) Error() string {
	return fmt.Sprintf("cannot start %q: %v", e.Program, e.Err)
}

// Unwrap returns the reason.
func (e *ProgramError) Unwrap() error { return e.Err }

// maxScripts is how many scripts the kernel follows that are each other's
// interpreters (fs/exec.c).
const maxScripts = 5

// scriptLine is how many bytes of a script the kernel reads
// (BINPRM_BUF_SIZE).
const scriptLine = 256

// program finds the file to execute.
func (t tree) program(s *plan.Survey, r Request) error {
	entry, found, err := t.find(r)
	if err != nil {
		return &ProgramError{Program: r.Program, Err: err}
	}
	s.Found, s.Entry, s.Program = found, entry, entry
	// A script gets its interpreter's arguments and then the path it was
	// found under in place of its own name.
	script := found
	for range maxScripts {
		interpreter, arg, is, err := t.shebang(s.Program)
		if err != nil {
			return &ProgramError{Program: r.Program, Err: err}
		}
		if !is {
			return nil
		}
		prefix := []string{interpreter}
		if arg != "" {
			prefix = append(prefix, arg)
		}
		s.Prefix = append(append(prefix, script), s.Prefix[min(1, len(s.Prefix)):]...)
		script = interpreter
		if s.Program, err = t.executable(interpreter); err != nil {
			return &ProgramError{Program: r.Program, Err: fmt.Errorf("its interpreter %q: %w", interpreter, err)}
		}
	}
	return &ProgramError{Program: r.Program, Err: errors.New("its interpreters are scripts without end")}
}

// find looks for the program as execvp(3) does. It returns the real path and
// the one it was found under.
func (t tree) find(r Request) (real, found string, err error) {
	if strings.Contains(r.Program, "/") {
		found = r.Program
		if !path.IsAbs(found) {
			found = path.Join("/", r.Dir, found)
		}
		real, err = t.executable(found)
		return real, found, err
	}
	search := "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
	for _, setting := range r.Env {
		if value, ok := strings.CutPrefix(setting, "PATH="); ok {
			search = value
		}
	}
	result := fs.ErrNotExist
	for dir := range strings.SplitSeq(search, ":") {
		found = path.Join("/", r.Dir, dir, r.Program)
		if path.IsAbs(dir) {
			found = path.Join(dir, r.Program)
		}
		real, err = t.executable(found)
		if err == nil {
			return real, found, nil
		}
		if !errors.Is(err, fs.ErrNotExist) {
			result = err
		}
	}
	return "", "", result
}

// executable returns the real path of a program, if it is one.
func (t tree) executable(p string) (string, error) {
	real, err := t.real(p)
	if err != nil {
		return "", err
	}
	info, err := os.Lstat(t.host(real))
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return "", fs.ErrNotExist
	case err != nil:
		return "", err
	case !info.Mode().IsRegular():
		return "", fmt.Errorf("it is no regular file: %w", fs.ErrPermission)
	case info.Mode()&0o111 == 0:
		return "", fmt.Errorf("it is not executable: %w", fs.ErrPermission)
	}
	return real, nil
}

// shebang reads a script's first line: the interpreter, and the rest of the
// line as one argument (execve(2)).
func (t tree) shebang(real string) (interpreter, arg string, is bool, err error) {
	f, err := t.openRegular(real)
	if err != nil {
		return "", "", false, err
	}
	defer f.Close()
	head := make([]byte, scriptLine)
	n, err := io.ReadFull(f, head)
	if err != nil && !errors.Is(err, io.ErrUnexpectedEOF) && !errors.Is(err, io.EOF) {
		return "", "", false, err
	}
	interpreter, arg = parseShebang(head[:n])
	return interpreter, arg, interpreter != "", nil
}

// parseShebang returns an empty interpreter for what is no script.
func parseShebang(head []byte) (interpreter, arg string) {
	rest, ok := bytes.CutPrefix(head, []byte("#!"))
	if !ok {
		return "", ""
	}
	line, _, _ := bytes.Cut(rest, []byte("\n"))
	text := strings.Trim(string(line), " \t")
	cut := strings.IndexAny(text, " \t")
	if cut < 0 {
		return text, ""
	}
	return text[:cut], strings.Trim(text[cut:], " \t")
}
