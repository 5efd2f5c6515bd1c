package schema

import (
	"strconv"
	"strings"

	"cuelang.org/go/cue"
)

// element is one step of a path: a field's name, or an index of a list.
type element struct {
	name    string
	index   int
	isIndex bool
}

// path leads from a document's root to a field.
type path []element

// String returns the form "syscalls.allow[3].name". Names that are not plain
// words are quoted, so that no name passes for another place.
func (p path) String() string {
	var b strings.Builder
	for i, e := range p {
		switch {
		case e.isIndex:
			b.WriteString("[" + strconv.Itoa(e.index) + "]")
			continue
		case i > 0:
			b.WriteByte('.')
		}
		if isWord(e.name) {
			b.WriteString(e.name)
		} else {
			b.WriteString(strconv.QuoteToASCII(e.name))
		}
	}
	return b.String()
}

func isWord(name string) bool {
	return name != "" && strings.Trim(name, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_#") == ""
}

// cuePath returns the path as CUE has it.
func (p path) cuePath() cue.Path {
	selectors := make([]cue.Selector, len(p))
	for i, e := range p {
		if e.isIndex {
			selectors[i] = cue.Index(e.index)
		} else {
			selectors[i] = cue.Str(e.name)
		}
	}
	return cue.MakePath(selectors...)
}

// errorPath returns the path of one of CUE's errors, which starts with the
// definition and has list indexes as decimal names; v, the value as written,
// tells these from fields.
func errorPath(steps []string, v cue.Value) path {
	var p path
	for _, step := range steps {
		if len(p) == 0 && strings.HasPrefix(step, "#") {
			continue
		}
		if n, err := strconv.Atoi(step); err == nil && v.LookupPath(p.cuePath()).IncompleteKind() == cue.ListKind {
			p = append(p, element{index: n, isIndex: true})
			continue
		}
		if name, err := strconv.Unquote(step); err == nil {
			step = name
		}
		p = append(p, element{name: step})
	}
	return p
}

// parsePath reads the form that package manifest uses for its problems.
func parsePath(text string) path {
	var p path
	for part := range strings.SplitSeq(text, ".") {
		name, rest, _ := strings.Cut(part, "[")
		p = append(p, element{name: name})
		if n, err := strconv.Atoi(strings.TrimSuffix(rest, "]")); err == nil {
			p = append(p, element{index: n, isIndex: true})
		}
	}
	return p
}
