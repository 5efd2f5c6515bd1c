package schema

import (
	"encoding/json"
	"fmt"
	"maps"
	"reflect"
	"slices"
	"strconv"
	"strings"

	"cuelang.org/go/cue"
	cueerrors "cuelang.org/go/cue/errors"

	"github.com/least-privilege/lpm/manifest"
)

// checkConstraints unifies the manifest with the policy's constraints in CUE.
// It takes the canonical form, in which a value has one spelling: a policy
// that rules out "AF_PACKET" must not be passed by "17". The permissions, of
// the manifest as it was given, tell the places in that.
func (p *policy) checkConstraints(ctx *cue.Context, policyName string, canonical []byte, permissions []manifest.Permission) ([]Violation, error) {
	if !p.constraints.Exists() {
		return nil, nil
	}
	given, err := read(ctx, "manifest.json", canonical)
	if err != nil {
		return nil, err
	}
	m, err := manifest.Parse(canonical)
	if err != nil {
		return nil, err
	}
	written := map[string]string{}
	for _, q := range permissions {
		written[q.ID] = q.Path
	}
	canonicalPermissions := m.Permissions()
	add := func(found []Violation, at path, message string) []Violation {
		v := Violation{Rule: "manifest", Path: at.String(), Message: message, Level: manifest.Normal}
		for _, q := range canonicalPermissions {
			below, ok := strings.CutPrefix(v.Path, q.Path)
			if ok && q.Path != "" && (below == "" || below[0] == '.') {
				v.Permission, v.Level, v.Path = q.ID, q.Level, written[q.ID]+below
				break
			}
		}
		if reason := p.reason(at); reason != "" {
			v.Message += ": " + reason
		}
		return append(found, v)
	}

	both := p.constraints.Unify(given)
	var found []Violation
	seen := map[string]bool{}
	for _, e := range cueerrors.Errors(both.Validate(cue.Concrete(true), cue.Final())) {
		at := errorPath(withoutRoot(e.Path(), "manifest"), given)
		if seen[at.String()] {
			continue
		}
		seen[at.String()] = true
		found = add(found, at, p.wanted(at, given, e))
	}
	if len(found) > 0 {
		return found, nil
	}
	// A policy constrains and never supplies: where it has a value of its own
	// for a field that the manifest left out, unification alone would pass.
	var mine, joined any
	encoded, err := both.MarshalJSON()
	if err != nil {
		return nil, fmt.Errorf("evaluating policy %s: %w", policyName, err)
	}
	for data, into := range map[*[]byte]*any{&canonical: &mine, &encoded: &joined} {
		if err := json.Unmarshal(*data, into); err != nil {
			return nil, fmt.Errorf("evaluating policy %s: %w", policyName, err)
		}
	}
	for _, at := range supplied(mine, joined, nil) {
		found = add(found, at, fmt.Sprintf("missing; the policy wants %v", both.LookupPath(at.cuePath())))
	}
	return found, nil
}

// wanted says what a constraint asks for at a place.
func (p *policy) wanted(at path, given cue.Value, e cueerrors.Error) string {
	constraint, constrained := follow(p.constraints, at)
	value := given.LookupPath(at.cuePath())
	switch {
	case constrained && value.Exists():
		return fmt.Sprintf("the policy wants %s, not %s", shorten(fmt.Sprint(constraint)), shorten(fmt.Sprint(value)))
	case constrained:
		return "missing; the policy wants " + shorten(fmt.Sprint(constraint))
	}
	return shorten(message(e))
}

// reason returns the attribute @reason of the constraint at a place or above.
func (p *policy) reason(at path) string {
	for ; len(at) > 0; at = at[:len(at)-1] {
		if constraint, ok := follow(p.constraints, at); ok {
			attribute := constraint.Attribute("reason")
			if text, err := attribute.String(0); err == nil {
				return text
			}
		}
	}
	return ""
}

// follow looks a path up among constraints, where fields can be marked with
// "?" or "!" and lists be open.
func follow(v cue.Value, p path) (cue.Value, bool) {
	for _, e := range p {
		choices := []cue.Selector{cue.Str(e.name), cue.Str(e.name).Required(), cue.Str(e.name).Optional()}
		if e.isIndex {
			choices = []cue.Selector{cue.Index(e.index), cue.AnyIndex}
		}
		found := false
		for _, choice := range choices {
			if next := v.LookupPath(cue.MakePath(choice)); next.Exists() {
				v, found = next, true
				break
			}
		}
		if !found {
			return cue.Value{}, false
		}
	}
	return v, true
}

// withoutRoot drops the name under which a value lies in its file.
func withoutRoot(steps []string, root string) []string {
	if len(steps) > 0 && steps[0] == root {
		return steps[1:]
	}
	return steps
}

// supplied returns the places where b has something that a has not.
func supplied(a, b any, at path) []path {
	switch b := b.(type) {
	case map[string]any:
		a, ok := a.(map[string]any)
		if !ok {
			return []path{at}
		}
		var found []path
		for _, name := range slices.Sorted(maps.Keys(b)) {
			next := append(slices.Clone(at), element{name: name})
			if mine, ok := a[name]; ok {
				found = append(found, supplied(mine, b[name], next)...)
			} else {
				found = append(found, next)
			}
		}
		return found
	case []any:
		a, ok := a.([]any)
		if !ok || len(a) != len(b) {
			return []path{at}
		}
		var found []path
		for i := range b {
			found = append(found, supplied(a[i], b[i], append(slices.Clone(at), element{name: strconv.Itoa(i), index: i, isIndex: true}))...)
		}
		return found
	}
	if !reflect.DeepEqual(a, b) {
		return []path{at}
	}
	return nil
}
