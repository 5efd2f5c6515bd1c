package schema

import (
	"bytes"
	stdjson "encoding/json"
	"errors"
	"fmt"
	"path/filepath"
	"strconv"
	"strings"
	"unicode/utf8"

	"cuelang.org/go/cue"
	"cuelang.org/go/cue/ast"
	cueerrors "cuelang.org/go/cue/errors"
	"cuelang.org/go/cue/parser"
	"cuelang.org/go/cue/token"
	"cuelang.org/go/encoding/json"
	"cuelang.org/go/encoding/yaml"

	"github.com/least-privilege/lpm/manifest"
)

// ErrFormat is returned for a file whose name does not tell its format.
var ErrFormat = errors.New("expected a file name ending in .json, .yaml, .yml or .cue")

// maxNesting bounds brackets within brackets, so that no parser recurses far.
const maxNesting = 64

// read parses a file by the ending of its name.
func read(ctx *cue.Context, name string, data []byte) (cue.Value, error) {
	if err := checkBytes(name, data); err != nil {
		return cue.Value{}, err
	}
	var file *ast.File
	var err error
	strict := true
	switch filepath.Ext(name) {
	case ".json":
		if err := checkJSON(name, data); err != nil {
			return cue.Value{}, err
		}
		var expr ast.Expr
		if expr, err = json.Extract(name, data); err == nil {
			file = &ast.File{Filename: name, Decls: []ast.Decl{&ast.EmbedDecl{Expr: expr}}}
		}
	case ".yaml", ".yml":
		file, err = yaml.Extract(name, data)
	case ".cue":
		strict = false
		file, err = parser.ParseFile(name, data, parser.ParseComments)
	default:
		return cue.Value{}, fmt.Errorf("%s: %w", name, ErrFormat)
	}
	if err != nil {
		return cue.Value{}, syntaxErrors(name, err)
	}
	check := checkImports
	if strict {
		check = checkRepeated
	}
	if err := check(name, file); err != nil {
		return cue.Value{}, err
	}
	v := ctx.BuildFile(file)
	if err := v.Err(); err != nil {
		return cue.Value{}, syntaxErrors(name, err)
	}
	return v, nil
}

// checkBytes refuses what no parser should be given.
func checkBytes(name string, data []byte) error {
	if len(data) > manifest.MaxSize {
		return Errors{{File: name, Message: fmt.Sprintf("expected at most %d bytes, not %d", manifest.MaxSize, len(data))}}
	}
	if !utf8.Valid(data) {
		return Errors{{File: name, Message: "expected UTF-8 text"}}
	}
	depth, line, start := 0, 1, 0
	for i, c := range data {
		switch c {
		case '\n':
			line, start = line+1, i+1
		case '{', '[', '(':
			depth++
		case '}', ']', ')':
			depth = max(depth-1, 0)
		}
		if depth > maxNesting {
			return Errors{{File: name, Line: line, Col: i - start + 1, Message: fmt.Sprintf("expected at most %d brackets within one another", maxNesting)}}
		}
	}
	return nil
}

// checkJSON says what is wrong with a JSON text; CUE says only that it is not
// one.
func checkJSON(name string, data []byte) error {
	var any any
	err := stdjson.Unmarshal(data, &any)
	bad, ok := errors.AsType[*stdjson.SyntaxError](err)
	if !ok {
		return err
	}
	// The offset is that after the byte at fault.
	before := data[:max(bad.Offset-1, 0)]
	return Errors{{
		File: name, Message: "not JSON: " + bad.Error(),
		Line: 1 + bytes.Count(before, []byte("\n")), Col: len(before) - bytes.LastIndexByte(before, '\n'),
	}}
}

// checkRepeated refuses a field that is given twice. CUE would accept it where
// the values agree, but JSON and YAML have no such thing: other readers take
// the first or the last.
func checkRepeated(name string, file *ast.File) error {
	var found Errors
	check := func(decls []ast.Decl) {
		seen := map[string]bool{}
		for _, d := range decls {
			f, ok := d.(*ast.Field)
			if !ok {
				continue
			}
			label, _, err := ast.LabelName(f.Label)
			if err == nil && seen[label] {
				found = append(found, at(name, f.Label.Pos(), "", fmt.Sprintf("field %q appears twice", label)))
			}
			seen[label] = true
		}
	}
	check(file.Decls)
	ast.Walk(file, func(n ast.Node) bool {
		if s, ok := n.(*ast.StructLit); ok {
			check(s.Elts)
		}
		return true
	}, nil)
	if len(found) > 0 {
		return found
	}
	return nil
}

// checkImports lets a file import CUE's own packages alone: nothing is loaded
// from anywhere, least of all from a network.
func checkImports(name string, file *ast.File) error {
	var found Errors
	for spec := range file.ImportSpecs() {
		if root, _, _ := strings.Cut(spec.Path.Value, "/"); strings.Contains(root, ".") {
			found = append(found, at(name, spec.Pos(), "", "expected one of CUE's own packages, not "+spec.Path.Value))
		}
	}
	if len(found) > 0 {
		return found
	}
	return nil
}

// at returns an error at a position of the named file.
func at(name string, pos token.Pos, path, message string) *Error {
	e := &Error{File: name, Path: path, Message: message}
	if p := pos.Position(); pos.IsValid() && p.Filename == name {
		e.Line, e.Col = p.Line, p.Column
	}
	return e
}

// syntaxErrors turns errors of CUE's parsers and compiler into this package's.
func syntaxErrors(name string, err error) error {
	var found Errors
	for _, e := range cueerrors.Errors(err) {
		one := at(name, e.Position(), "", message(e))
		// The reader of YAML has the line in its text alone.
		if rest, ok := strings.CutPrefix(one.Message, name+":"); ok && one.Line == 0 {
			number, text, _ := strings.Cut(rest, ": ")
			if line, err := strconv.Atoi(number); err == nil {
				one.Line, one.Message = line, text
			}
		}
		found = append(found, one)
	}
	return found
}

// message returns the text of one of CUE's errors without its place.
func message(e cueerrors.Error) string {
	format, args := e.Msg()
	if text := fmt.Sprintf(format, args...); text != "" {
		return text
	}
	// An error of another package that CUE only carries along.
	if cause := errors.Unwrap(e); cause != nil {
		return cause.Error()
	}
	return e.Error()
}
