package schema

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"cuelang.org/go/cue"
)

// constraint says in words, and where they are exact in CUE, what a value must
// be. Other definitions are links. With inside, the value is a definition whose
// own content is asked for.
func (w *documenter) constraint(v cue.Value, inside bool) string {
	if name := reference(v); name != "" && !inside {
		if !slices.Contains(w.refers, name) {
			w.refers = append(w.refers, name)
		}
		return link(name)
	}
	switch kindOf(v) {
	case cue.StructKind:
		return "struct"
	case cue.BoolKind:
		return "boolean"
	case cue.ListKind:
		return w.list(v)
	}
	return w.scalar(v)
}

// kindOf is the kind of a value. CUE knows none of a list that the schema leaves
// open and wants something in.
func kindOf(v cue.Value) cue.Kind {
	kind := v.IncompleteKind()
	if op, args := v.Expr(); kind == cue.BottomKind && op == cue.AndOp {
		for _, a := range args {
			kind |= kindOf(a) & cue.ListKind
		}
	}
	return kind
}

// list says what a list has, and how much of it.
func (w *documenter) list(v cue.Value) string {
	var text, least, most string
	for _, part := range conjuncts(v) {
		op, args := part.Expr()
		switch {
		case op == cue.CallOp && fmt.Sprint(args[0]) == "list.MaxItems":
			most = fmt.Sprint(args[1])
		case op == cue.CallOp && fmt.Sprint(args[0]) == "list.MinItems":
			least = fmt.Sprint(args[1])
		case kindOf(part) == cue.ListKind:
			text = "list of " + w.constraint(part.LookupPath(cue.MakePath(cue.AnyIndex)), false)
			if part.LookupPath(cue.MakePath(cue.Index(0))).Exists() {
				least = "1"
			}
		}
	}
	if least != "" {
		text += ", at least " + least
	}
	if most != "" {
		text += ", at most " + most
	}
	return text
}

// scalar says what a number or text must be.
func (w *documenter) scalar(v cue.Value) string {
	op, args := v.Expr()
	if _, fallback := v.Default(); op == cue.NoOp && fallback && !v.IsConcrete() && len(args) == 1 {
		// A default that the other choice includes is left out of the expression.
		if _, again := args[0].Default(); !again {
			return w.scalar(args[0])
		}
	}
	switch op {
	case cue.OrOp:
		var choices []string
		for _, a := range args {
			choices = append(choices, w.constraint(a, false))
		}
		return strings.Join(choices, " or ")
	case cue.AndOp:
		return w.all(conjuncts(v))
	}
	return w.all([]cue.Value{v})
}

// all says that several constraints hold together.
func (w *documenter) all(parts []cue.Value) string {
	var kind, least, most string
	var rest, runes []string
	for _, part := range parts {
		op, args := part.Expr()
		switch {
		case reference(part) != "":
			kind = w.constraint(part, false)
		case op == cue.GreaterThanEqualOp:
			least = fmt.Sprint(args[0])
		case op == cue.LessThanEqualOp:
			most = fmt.Sprint(args[0])
		case op == cue.OrOp:
			rest = append(rest, w.scalar(part))
		case op == cue.CallOp:
			kind, runes = cmp.Or(kind, "text"), append(runes, call(args))
		case op == cue.RegexMatchOp || op == cue.NotRegexMatchOp:
			kind, rest = cmp.Or(kind, "text"), append(rest, code(fmt.Sprint(part)))
		case op == cue.NoOp && part.IncompleteKind() == cue.IntKind && !part.IsConcrete():
			kind = "integer"
		case op == cue.NoOp && part.IncompleteKind() == cue.StringKind && !part.IsConcrete():
			kind = "text"
		default:
			rest = append(rest, code(fmt.Sprint(part)))
		}
	}
	if least != "" && most != "" {
		rest = append(rest, least+" to "+most)
	} else if least+most != "" {
		rest = append(rest, strings.TrimSpace(strings.Join([]string{"from", least, "to", most}, " ")))
	}
	if len(runes) > 0 {
		rest = append(rest, strings.Join(runes, " and ")+" characters")
	}
	if kind != "" {
		rest = slices.Insert(rest, 0, kind)
	}
	return strings.Join(rest, ", ")
}

// call says what a function of package strings demands, up to the unit.
func call(args []cue.Value) string {
	text := fmt.Sprint(args[1])
	switch fmt.Sprint(args[0]) {
	case "strings.MaxRunes":
		return "at most " + text
	case "strings.MinRunes":
		return "at least " + text
	}
	return code(fmt.Sprintf("%v(%s)", args[0], text))
}

// conjuncts are the parts that a value is the conjunction of.
func conjuncts(v cue.Value) (all []cue.Value) {
	op, args := v.Expr()
	if op != cue.AndOp || reference(v) != "" {
		return []cue.Value{v}
	}
	for _, a := range args {
		all = append(all, conjuncts(a)...)
	}
	return all
}
