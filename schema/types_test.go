package schema

import (
	"encoding"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/least-privilege/lpm/manifest"
)

// The schema is the one definition; the Go types must have the same fields,
// with the same nesting, and leave out exactly what may be left out.
func TestTypesMatchTheSchema(t *testing.T) {
	defs, err := readDefinitions()
	if err != nil {
		t.Fatal(err)
	}
	compareType(t, defs, "#Manifest", reflect.TypeFor[manifest.Manifest](), "manifest")
	// The parts of a policy that are data, likewise.
	compareType(t, defs, "#Ceiling", reflect.TypeFor[ceiling](), "ceiling")
}

func compareType(t *testing.T, defs definitions, def string, typ reflect.Type, at string) {
	t.Helper()
	want := map[string]field{}
	for _, f := range defs.fieldsOf(def) {
		want[f.name] = f
	}
	var names []string
	for _, f := range reflect.VisibleFields(typ) {
		tag := f.Tag.Get("json")
		if tag == "" {
			continue // an embedded struct, whose fields are promoted
		}
		name, options, _ := strings.Cut(tag, ",")
		names = append(names, name)
		w, ok := want[name]
		if !ok {
			t.Errorf("%s.%s is a field in Go and not in %s", at, name, def)
			continue
		}
		elem := f.Type
		for elem.Kind() == reflect.Pointer {
			elem = elem.Elem()
		}
		if leaves := strings.Contains(options, "omit"); strings.HasPrefix(at, "manifest") && w.optional != leaves {
			t.Errorf("%s.%s: optional in the schema: %t, left out by Go where empty: %t", at, name, w.optional, leaves)
		}
		if w.list != (elem.Kind() == reflect.Slice) {
			t.Errorf("%s.%s: a list in the schema: %t, in Go: %s", at, name, w.list, elem)
		}
		if elem.Kind() == reflect.Slice {
			elem = elem.Elem()
		}
		isText := reflect.PointerTo(elem).Implements(reflect.TypeFor[encoding.TextUnmarshaler]())
		if elem.Kind() == reflect.Struct && !isText {
			if w.ref == "" {
				t.Errorf("%s.%s is a struct in Go and not in the schema", at, name)
				continue
			}
			compareType(t, defs, w.ref, elem, at+"."+name)
		}
		if w.expected == "" {
			t.Errorf("%s.%s: the schema does not say what is expected", at, name)
		}
	}
	for name := range want {
		if !slices.Contains(names, name) {
			t.Errorf("%s.%s is a field in %s and not in Go", at, name, def)
		}
	}
}

// Every file of the schema compiles, and what is read from its syntax is what
// CUE makes of it.
func TestSchemaCompiles(t *testing.T) {
	for _, name := range []string{"#Manifest", "#Policy"} {
		if _, err := definition(newContext(), name); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestGlob(t *testing.T) {
	for _, tt := range []struct {
		pattern, text string
		want          bool
	}{
		{"ptrace", "ptrace", true},
		{"ptrace", "ptrace2", false},
		{"io_uring_*", "io_uring_setup", true},
		{"*sh", "/bin/bash", true},
		{"*sh", "/bin/bashful", false},
		{"a*b*c", "axxbyyc", true},
		{"a*b*c", "acb", false},
		{"ab*ba", "aba", false},
		{"*", "", true},
	} {
		if got := glob(tt.pattern, tt.text); got != tt.want {
			t.Errorf("glob(%q, %q) = %t", tt.pattern, tt.text, got)
		}
	}
}
