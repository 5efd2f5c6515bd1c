package schema

import (
	"cmp"
	"errors"
	"fmt"
	"slices"
	"strings"

	"cuelang.org/go/cue"
	cueerrors "cuelang.org/go/cue/errors"

	"github.com/least-privilege/lpm/manifest"
)

// Decode reads a manifest that a person wrote: JSON, YAML or CUE, by the
// ending of name. Fields with a default may be left out. The file is
// evaluated if it is CUE, so it must be one that a person named.
//
// The error is [Errors] for what is wrong in the file, or wraps [ErrFormat].
func Decode(name string, data []byte) (*manifest.Manifest, error) {
	ctx := newContext()
	written, err := read(ctx, name, data)
	if err != nil {
		return nil, err
	}
	whole, err := unify(ctx, "#Manifest", name, written, cue.Concrete(true), cue.Final())
	if err != nil {
		return nil, err
	}
	encoded, err := whole.MarshalJSON()
	if err != nil {
		return nil, fmt.Errorf("encoding %s as JSON: %w", name, err)
	}
	m, err := manifest.Parse(encoded)
	if invalid, ok := errors.AsType[*manifest.InvalidError](err); ok {
		var found Errors
		for _, p := range invalid.Problems {
			found = append(found, at(name, position(written, parsePath(p.Path)).Pos(), p.Path, p.Message))
		}
		return nil, sorted(found)
	}
	if err != nil {
		return nil, Errors{{File: name, Message: err.Error()}}
	}
	return m, nil
}

// Validate holds the JSON of a manifest, as [manifest.Parse] takes it, against
// the definition. Nothing in it is evaluated.
func Validate(data []byte) error {
	if _, err := manifest.Parse(data); err != nil {
		return err
	}
	ctx := newContext()
	const name = "manifest.json"
	written, err := read(ctx, name, data)
	if err != nil {
		return err
	}
	_, err = unify(ctx, "#Manifest", name, written, cue.Concrete(true), cue.Final())
	return err
}

// unify joins what was written with a definition and returns the whole, or
// what the definition does not allow, under the given rules.
func unify(ctx *cue.Context, def, name string, written cue.Value, rules ...cue.Option) (cue.Value, error) {
	schema, err := definition(ctx, def)
	if err != nil {
		return cue.Value{}, err
	}
	whole := schema.Unify(written)
	problems := whole.Validate(rules...)
	if problems == nil {
		return whole, nil
	}
	defs, err := readDefinitions()
	if err != nil {
		return cue.Value{}, err
	}
	var found Errors
	seen := map[string]bool{}
	for _, e := range cueerrors.Errors(problems) {
		p := errorPath(e.Path(), written)
		if text := p.String(); !seen[text] {
			seen[text] = true
			found = append(found, explain(defs, def, name, written, p, e))
		}
	}
	return cue.Value{}, sorted(found)
}

// explain says what was expected at a place that CUE found fault with. It asks
// what is there and what should be, rather than read CUE's message.
func explain(defs definitions, def, name string, written cue.Value, p path, e cueerrors.Error) *Error {
	value := written.LookupPath(p.cuePath())
	where := position(written, p).Pos()
	place, known := defs.lookup(def, p)
	switch {
	case !known && len(p) > 0:
		parent, _ := defs.lookup(def, p[:len(p)-1])
		if len(p) == 1 {
			parent.ref = def
		}
		return at(name, where, p.String(), "unknown field; expected "+fieldNames(defs.fieldsOf(parent.ref)))
	case len(p) > 0 && !value.Exists():
		return at(name, where, p.String(), "missing; expected "+expectation(place, e))
	}
	given := ""
	if value.Exists() && value.IsConcrete() && value.IncompleteKind()&(cue.StructKind|cue.ListKind) == 0 {
		given = ", not " + shorten(fmt.Sprint(value))
	}
	return at(name, where, p.String(), "expected "+expectation(place, e)+given)
}

// expectation returns what the schema says of a place, or CUE's own words
// where it says nothing.
func expectation(f field, e cueerrors.Error) string {
	if f.expected != "" {
		return f.expected
	}
	return "what the schema defines: " + message(e)
}

// fieldNames lists the fields that a struct can have.
func fieldNames(fields []field) string {
	names := make([]string, len(fields))
	for i, f := range fields {
		names[i] = f.name
	}
	slices.Sort(names)
	if len(names) == 0 {
		return "no fields here"
	}
	last := len(names) - 1
	if last == 0 {
		return names[0]
	}
	return strings.Join(names[:last], ", ") + " or " + names[last]
}

// position returns the value at p, or the nearest one above it that exists.
func position(v cue.Value, p path) cue.Value {
	for ; len(p) > 0; p = p[:len(p)-1] {
		if found := v.LookupPath(p.cuePath()); found.Exists() {
			return found
		}
	}
	return v
}

// shorten keeps a message on one line of sensible length.
func shorten(text string) string {
	const most = 60
	text, _, _ = strings.Cut(text, "\n")
	if runes := []rune(text); len(runes) > most {
		return string(runes[:most]) + "…"
	}
	return text
}

// sorted orders errors as the file has them.
func sorted(found Errors) Errors {
	slices.SortStableFunc(found, func(a, b *Error) int {
		return cmp.Or(cmp.Compare(a.Line, b.Line), cmp.Compare(a.Col, b.Col))
	})
	return found
}
