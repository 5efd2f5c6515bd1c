package schema

import (
	"fmt"
	"strconv"
	"strings"

	"cuelang.org/go/cue/ast"
	"cuelang.org/go/cue/parser"
)

// field is one field of a definition, as written in the schema.
type field struct {
	name string
	// required fields have "!", and optional ones "?"; the others have a
	// default.
	required, optional bool
	// expected is the text of the attribute @expected.
	expected string
	// list tells that the value is a list of ref.
	list bool
	// ref is the definition that the value, or a list's entry, refers to;
	// empty where it is none. A struct written in place has a made-up name.
	ref string
}

// definitionFields is what one definition has, if it is a struct.
type definitionFields struct {
	fields []field
	embeds []string
	// expected is the text of the attribute of the definition itself.
	expected string
}

// definitions are all definitions of the schema by name.
type definitions map[string]*definitionFields

// readDefinitions reads the schema's syntax. What is expected in a place
// cannot be asked of an evaluated value, which has lost most attributes.
func readDefinitions() (definitions, error) {
	defs := definitions{}
	for name, text := range map[string]string{"manifest.cue": manifestSource, "policy.cue": policySource, "trust.cue": trustSource} {
		file, err := parser.ParseFile(name, text)
		if err != nil {
			return nil, fmt.Errorf("parsing the schema: %w", err)
		}
		for _, decl := range file.Decls {
			if f, ok := decl.(*ast.Field); ok {
				label, _, err := ast.LabelName(f.Label)
				if err != nil {
					return nil, fmt.Errorf("parsing the schema: %w", err)
				}
				defs.add(label, f.Value, expectedBy(f.Attrs))
			}
		}
	}
	return defs, nil
}

func (defs definitions) add(name string, value ast.Expr, expected string) {
	def := &definitionFields{expected: expected}
	defs[name] = def
	lit, ok := value.(*ast.StructLit)
	if !ok {
		return
	}
	for _, element := range lit.Elts {
		switch x := element.(type) {
		case *ast.EmbedDecl:
			if ident, ok := x.Expr.(*ast.Ident); ok {
				def.embeds = append(def.embeds, ident.Name)
			}
		case *ast.Field:
			label, _, err := ast.LabelName(x.Label)
			if err != nil {
				continue
			}
			f := field{name: label, expected: expectedBy(x.Attrs)}
			f.required = x.Constraint.String() == "!"
			f.optional = x.Constraint.String() == "?"
			f.list, f.ref = defs.reference(name+"."+label, x.Value)
			def.fields = append(def.fields, f)
		}
	}
}

// reference returns the definition that an expression is or lists.
func (defs definitions) reference(place string, value ast.Expr) (list bool, ref string) {
	switch x := value.(type) {
	case *ast.Ident:
		if strings.HasPrefix(x.Name, "#") {
			return false, x.Name
		}
	case *ast.StructLit:
		defs.add(place, x, "")
		return false, place
	case *ast.BinaryExpr:
		return defs.reference(place, x.X)
	case *ast.ListLit:
		for _, element := range x.Elts {
			if rest, ok := element.(*ast.Ellipsis); ok {
				_, ref = defs.reference(place, rest.Type)
			}
		}
		return true, ref
	}
	return false, ""
}

func expectedBy(attributes []*ast.Attribute) string {
	for _, a := range attributes {
		if key, body := a.Split(); key == "expected" {
			if text, err := strconv.Unquote(body); err == nil {
				return text
			}
		}
	}
	return ""
}

// fieldsOf returns a definition's own fields and those it embeds.
func (defs definitions) fieldsOf(name string) []field {
	def := defs[name]
	if def == nil {
		return nil
	}
	var fields []field
	for _, embedded := range def.embeds {
		fields = append(fields, defs.fieldsOf(embedded)...)
	}
	return append(fields, def.fields...)
}

// lookup follows a path from a definition. It returns the field that the path
// ends in, or at whose list's entry, and whether the schema has such a place.
func (defs definitions) lookup(name string, p path) (field, bool) {
	var f field
	at, known := name, true
	for i, element := range p {
		if element.isIndex {
			if !f.list {
				return field{}, false
			}
			entry := field{ref: f.ref}
			if def := defs[f.ref]; def != nil {
				entry.expected = def.expected
			}
			f = entry
			continue
		}
		if i > 0 {
			at = f.ref
		}
		known = false
		for _, candidate := range defs.fieldsOf(at) {
			if candidate.name == element.name {
				f, known = candidate, true
				break
			}
		}
		if !known {
			return field{}, false
		}
	}
	return f, known
}
