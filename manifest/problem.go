package manifest

import (
	"errors"
	"fmt"
	"strings"
)

// Problem is one thing that is wrong with a manifest.
type Problem struct {
	// Path is the field's, such as "syscalls.allow[3].name"; empty for the
	// document as a whole.
	Path string
	// Message says what is wrong and what was expected.
	Message string
}

func (p Problem) String() string {
	if p.Path == "" {
		return p.Message
	}
	return p.Path + ": " + p.Message
}

// InvalidError is returned for a manifest that breaks the format's rules. It
// lists every problem that was found, in the order of the document's fields.
type InvalidError struct {
	Problems []Problem
}

// Error names the first problem, and how many more there are.
func (e *InvalidError) Error() string {
	text := "invalid manifest: " + e.Problems[0].String()
	if n := len(e.Problems) - 1; n > 0 {
		text += fmt.Sprintf(" (%d more)", n)
	}
	return text
}

// SyntaxError is returned by [Parse] for bytes that are not the strict JSON
// that a manifest is made of.
type SyntaxError struct {
	// Line and Col are counted from 1; Col counts bytes.
	Line, Col int
	// Path is the field's where it is known.
	Path    string
	Message string
}

func (e *SyntaxError) Error() string {
	return fmt.Sprintf("manifest, line %d, column %d: %s", e.Line, e.Col, Problem{e.Path, e.Message})
}

// ErrTooLarge is returned for a document over [MaxSize].
var ErrTooLarge = fmt.Errorf("manifest is larger than %d bytes", MaxSize)

// fieldError is an error of a field below the one that is being looked at.
type fieldError struct {
	field string
	err   error
}

func (e *fieldError) Error() string { return e.field + ": " + e.err.Error() }
func (e *fieldError) Unwrap() error { return e.err }

// problems collects what is wrong.
type problems []Problem

// add notes a problem of the field that path elements such as "mounts",
// "[3]", "path" lead to.
func (p *problems) add(path, format string, args ...any) {
	*p = append(*p, Problem{path, fmt.Sprintf(format, args...)})
}

// addError notes err as a problem of path, or of the field below it that a
// fieldError names.
func (p *problems) addError(path string, err error) {
	if below, ok := errors.AsType[*fieldError](err); ok {
		p.add(path+"."+below.field, "%s", below.err)
		return
	}
	p.add(path, "%s", err)
}

func (p problems) err() error {
	if len(p) == 0 {
		return nil
	}
	return &InvalidError{Problems: p}
}

// list joins names for a message: "a, b or c".
func list(names ...string) string {
	if len(names) == 1 {
		return names[0]
	}
	last := len(names) - 1
	return strings.Join(names[:last], ", ") + " or " + names[last]
}
