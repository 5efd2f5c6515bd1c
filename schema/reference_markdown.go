package schema

import (
	"fmt"
	"strings"
)

// Reference returns the reference of manifests, policies and rules of trust, in Markdown. It
// is made from the definitions: their comments, types, bounds and defaults, and
// what @expected says.
func Reference() (string, error) {
	list, err := documentation()
	if err != nil {
		return "", err
	}
	defs, err := readDefinitions()
	if err != nil {
		return "", err
	}
	var b strings.Builder
	b.WriteString(referenceHead)
	for _, d := range list {
		switch d.name {
		case "#Manifest":
			b.WriteString("\n# Manifest\n")
		case "#Policy":
			b.WriteString("\n# Policy\n")
		case "#Trust":
			b.WriteString("\n# Trust\n")
		default:
			fmt.Fprintf(&b, "\n## %s\n", title(d.name))
		}
		writeDefinition(&b, d, defs)
	}
	return b.String(), nil
}

const referenceHead = `<!-- Made from schema/*.cue by "go generate ./schema". Do not edit. -->

The fields of manifests, policies and rules of trust, as
[schema/manifest.cue](../schema/manifest.cue), [schema/policy.cue](../schema/policy.cue)
and [schema/trust.cue](../schema/trust.cue) define them. [manifest.md](manifest.md),
[policy.md](policy.md) and [guide-admin.md](guide-admin.md) say what they are for. A
field with a default can be left out, and so can one that is optional.
`

func writeDefinition(b *strings.Builder, d documented, defs definitions) {
	if d.doc != "" {
		fmt.Fprintf(b, "\n%s\n", cell(d.doc))
	}
	if d.constraint != "" {
		fmt.Fprintf(b, "\nIt is %s.\n", d.constraint)
		if def := defs[d.name]; def != nil && def.expected != "" {
			fmt.Fprintf(b, "In words: %s.\n", cell(def.expected))
		}
		return
	}
	b.WriteString("\n| field | is | needed | says |\n|---|---|---|---|\n")
	for _, f := range d.fields {
		needed := "optional"
		switch {
		case f.required:
			needed = "required"
		case f.fallback != "":
			needed = "default " + code(f.fallback)
		}
		fmt.Fprintf(b, "| `%s` | %s | %s | %s |\n", f.name, f.constraint, needed, says(f, defs.expected(d.name, f.name)))
	}
	if d.noted {
		fmt.Fprintf(b, "\nThe fields of %s can be there too.\n", link("#Note"))
	}
}

// expected is what a field of a definition is expected to be, in words.
func (defs definitions) expected(name, field string) string {
	var p path
	for step := range strings.SplitSeq(field, ".") {
		p = append(p, element{name: step})
	}
	f, _ := defs.lookup(name, p)
	return f.expected
}

func says(f documentedField, expected string) string {
	text := cell(f.doc)
	if exact := strings.NewReplacer("`", "", ", ", " or ").Replace(f.constraint); expected != "" &&
		f.constraint != "boolean" && strings.ReplaceAll(expected, ", ", " or ") != exact {
		text += " *" + cell(strings.ToUpper(expected[:1])+expected[1:]) + ".*"
	}
	return strings.TrimSpace(text)
}

// title is the heading of a definition.
func title(name string) string { return strings.TrimPrefix(name, "#") }

// link leads to the heading of a definition.
func link(name string) string {
	return fmt.Sprintf("[%s](#%s)", title(name), strings.ToLower(title(name)))
}

// code is text in a table, as it is.
func code(text string) string {
	return "`" + strings.ReplaceAll(strings.Join(strings.Fields(text), " "), "|", `\|`) + "`"
}

// cell is prose in a table. The schema's texts are our own, and need no more.
func cell(text string) string {
	return strings.NewReplacer("|", `\|`, "*", `\*`, "<", `\<`).Replace(text)
}
