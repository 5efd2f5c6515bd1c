package schema

import (
	"fmt"
	"slices"
	"strings"

	"cuelang.org/go/cue"
)

// documented is a definition of the schema as the reference shows it.
type documented struct {
	name, doc string
	// constraint says what a value must be, where it is no struct.
	constraint string
	fields     []documentedField
	// noted tells that it embeds #Note, whose fields are left out.
	noted bool
}

type documentedField struct {
	// name is a path, for a field of a struct that is written in place.
	name, doc string
	required  bool
	// fallback is the default, as CUE; empty for none.
	fallback   string
	constraint string
}

// documentation returns the definitions that manifests, policies and rules of
// trust consist of, each before those that it refers to.
func documentation() (list []documented, err error) {
	ctx := newContext()
	note, err := definition(ctx, "#Note")
	if err != nil {
		return nil, err
	}
	w := &documenter{note: namesOf(note)}
	wanted := []string{"#Manifest", "#Note", "#Policy", "#Trust"}
	for i := 0; i < len(wanted); i++ {
		def, err := definition(ctx, wanted[i])
		if err != nil {
			return nil, err
		}
		d, refers, err := w.definition(wanted[i], def)
		if err != nil {
			return nil, err
		}
		list = append(list, d)
		for j, name := range refers {
			if !slices.Contains(wanted, name) {
				// Those of the manifest come before the policy.
				wanted = slices.Insert(wanted, min(i+1+j, len(wanted)), name)
			}
		}
	}
	return list, nil
}

// documenter walks through definitions.
type documenter struct {
	note   []string
	refers []string
}

func (w *documenter) definition(name string, v cue.Value) (documented, []string, error) {
	w.refers = nil
	d := documented{name: name, doc: doc(v)}
	if v.IncompleteKind() != cue.StructKind {
		d.constraint = w.constraint(v, true)
		return d, w.refers, nil
	}
	own := namesOf(v)
	d.noted = name != "#Note" && !slices.ContainsFunc(w.note, func(n string) bool { return !slices.Contains(own, n) })
	err := w.structure(&d, "", v)
	return d, w.refers, err
}

// structure adds the fields of a struct. One that is written in place is shown
// with its definition, its fields under a path.
func (w *documenter) structure(d *documented, prefix string, v cue.Value) error {
	fields, err := v.Fields(cue.All())
	if err != nil {
		return fmt.Errorf("reading the fields of %s: %w", d.name, err)
	}
	for fields.Next() {
		name := unmarked(fields.Selector())
		if d.noted && slices.Contains(w.note, name) {
			continue
		}
		value := fields.Value()
		f := documentedField{
			name: prefix + name, doc: doc(value), constraint: w.constraint(value, false),
			required: fields.Selector().ConstraintType() == cue.RequiredConstraint,
		}
		// CUE calls the empty list a default of every open one.
		if fallback, ok := value.Default(); ok && kindOf(value) != cue.ListKind {
			f.fallback = fmt.Sprint(fallback)
		}
		d.fields = append(d.fields, f)
		if value.IncompleteKind() == cue.StructKind && reference(value) == "" {
			if err := w.structure(d, prefix+name+".", value); err != nil {
				return err
			}
		}
	}
	return nil
}

func namesOf(v cue.Value) (names []string) {
	for fields, err := v.Fields(cue.All()); err == nil && fields.Next(); {
		names = append(names, unmarked(fields.Selector()))
	}
	return names
}

// unmarked is the name of a field, without "?" or "!".
func unmarked(s cue.Selector) string { return strings.TrimRight(s.String(), "?!") }

// doc is the comment on a value, in one line. Of several, as a field has that
// refers to a definition, the first is its own.
func doc(v cue.Value) string {
	groups := v.Doc()
	if len(groups) == 0 {
		return ""
	}
	return strings.Join(strings.Fields(groups[0].Text()), " ")
}

// reference returns the definition that a value refers to, or "".
func reference(v cue.Value) string {
	_, path := v.ReferencePath()
	if selectors := path.Selectors(); len(selectors) == 1 && selectors[0].IsDefinition() {
		return selectors[0].String()
	}
	return ""
}
