package record

import (
	"bytes"
	"errors"
	"path"
	"strings"

	"github.com/least-privilege/lpm/analyzer/evidence"
	"golang.org/x/sys/unix"
)

// noteFirstProgram notes the program that the container starts with. The
// launcher executes it by descriptor; when the first call seen is not that
// execution, the program is the one that calls.
func (r *Recorder) noteFirstProgram(c call, executes bool) {
	running := ""
	if executes && c.name == "execveat" {
		if link, err := c.FD(int32(c.args[0])); err == nil {
			running = link
		}
	}
	if !executes {
		running = c.Program()
	}
	name := r.options.Program
	if name == "" {
		name = running
	}
	if !path.IsAbs(name) {
		return
	}
	p := evidence.Program{Path: text(path.Clean(name))}
	if path.IsAbs(running) && running != name {
		// What runs is not what was asked for: a script's interpreter, or
		// the file behind a symbolic link.
		if r.interpreter(c, name) != "" {
			p.Interpreter = text(running)
		} else {
			p.Path, p.As = text(running), p.Path
		}
	}
	r.noteProgram(p, occasion{})
}

// noteExecution notes the program that execve(2) names. A program that was
// executed before by the same name is counted: what it is stays the same until it
// is opened to be written, which forgets its uses. Of a script the first line is
// read each time.
func (r *Recorder) noteExecution(c call, dirfd int32, addr uint64) error {
	text, err := r.absolute(c, dirfd, addr)
	if err != nil {
		return err
	}
	var u use
	repeats := false
	if c.name == "execve" && r.common.identity {
		if u, repeats = r.useOf(c, text, 0); repeats && r.again(u, c) {
			return nil
		}
	}
	r.facts.collect()
	p, err := r.noteExecuted(c, dirfd, addr)
	if repeats && err == nil && p.Path != "" && p.Interpreter == "" {
		r.keepUse(c, u, p.Path)
	}
	r.facts.watched()
	return err
}

// noteExecuted notes what is executed, and returns it. A path that holds no
// program, as on the way through PATH, is none.
func (r *Recorder) noteExecuted(c call, dirfd int32, addr uint64) (evidence.Program, error) {
	var none evidence.Program
	asked, err := c.Path(dirfd, addr)
	if err != nil {
		return none, err
	}
	name, err := c.Executable(dirfd, addr)
	if err != nil {
		return none, err
	}
	if f, err := r.stat(c, name); errors.Is(err, unix.ENOENT) || errors.Is(err, unix.ENOTDIR) ||
		err == nil && (f.kind() != unix.S_IFREG || f.mode&0o111 == 0) {
		return none, nil
	}
	if !path.IsAbs(name) { // a file without a name, from memfd_create
		name = "/" + name
	}
	name = strings.TrimSuffix(name, " (deleted)")
	if err := r.checkAccess(c, name, 1, false); err != nil {
		return none, err
	}
	p := evidence.Program{Path: text(path.Clean(name)), Interpreter: text(r.interpreter(c, name))}
	if asked != name {
		p.As = text(asked)
	}
	r.noteProgram(p, r.at(c))
	return p, nil
}

func (r *Recorder) noteProgram(p evidence.Program, o occasion) {
	key := p.Path + "\x00" + p.As
	f := entry(&r.facts, r.facts.programs, "programs", maxOthers, key, p, p.Path, p.As, p.Interpreter)
	r.facts.see(&f.Seen, o)
}

// interpreter returns the program that a script's first line names, or "".
// BINPRM_BUF_SIZE bounds the line.
func (r *Recorder) interpreter(c call, name string) string {
	head, err := r.world.head(c.tid, name, 256)
	if err != nil {
		return "" // not to be read by the supervisor; the kernel may
	}
	return parseInterpreter(head)
}

// parseInterpreter reads a #! line as the kernel does (fs/binfmt_script.c).
func parseInterpreter(head []byte) string {
	rest, ok := bytes.CutPrefix(head, []byte("#!"))
	if !ok {
		return ""
	}
	line, _, _ := bytes.Cut(rest, []byte("\n"))
	line = bytes.Trim(line, " \t")
	if i := bytes.IndexAny(line, " \t\x00"); i >= 0 {
		line = line[:i]
	}
	if !path.IsAbs(string(line)) {
		return ""
	}
	return path.Clean(string(line))
}
