package schema

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"github.com/least-privilege/lpm/manifest"
)

// Violation is one way in which a manifest breaks a policy.
type Violation struct {
	// Rule is the field of the policy that is broken: "maxLevel",
	// "requireReason", "forbid", "ceiling" or "manifest"; or another check's
	// name.
	Rule string `json:"rule"`
	// Permission is the ID of the permission at fault; empty where a field
	// is that is part of none.
	Permission string `json:"permission,omitempty"`
	// Path is the field's place in the manifest; empty where what breaks the
	// rule is that a field is not there.
	Path string `json:"path,omitempty"`
	// Message says what is wrong, and why the policy wants it otherwise
	// where it says so.
	Message string         `json:"message"`
	Level   manifest.Level `json:"level"`
}

// Check holds a manifest against a policy: #Policy in [PolicySource], written
// in CUE, YAML or JSON, by the ending of policyName. It returns every
// violation, the worst first; none when the manifest keeps to the policy.
//
// It fails closed: whenever there is an error the verdict is not known, and
// the manifest must not pass. The error is [Errors] for what is wrong in the
// policy, or that of [manifest.Manifest.Validate].
func Check(policyData []byte, policyName string, m *manifest.Manifest) ([]Violation, error) {
	canonical, err := m.Canonical()
	if err != nil {
		return nil, err
	}
	permissions := m.Permissions()
	ctx := newContext()
	p, err := readPolicy(ctx, policyName, policyData)
	if err != nil {
		return nil, err
	}
	violations := slices.Concat(
		p.checkLevels(permissions),
		p.checkReasons(permissions),
		p.checkCeiling(m),
		p.checkModes(m, permissions),
	)
	violations = slices.DeleteFunc(violations, func(v Violation) bool { return p.waived(v.Permission) })
	violations = append(violations, p.checkForbidden(permissions)...)
	broken, err := p.checkConstraints(ctx, policyName, canonical, permissions)
	if err != nil {
		return nil, err
	}
	violations = append(violations, broken...)
	slices.SortStableFunc(violations, func(a, b Violation) int {
		return cmp.Or(cmp.Compare(b.Level, a.Level), cmp.Compare(a.Rule, b.Rule), cmp.Compare(a.Permission, b.Permission), cmp.Compare(a.Path, b.Path))
	})
	return violations, nil
}

// violation returns one of a permission.
func violation(rule string, p manifest.Permission, format string, args ...any) Violation {
	return Violation{Rule: rule, Permission: p.ID, Path: p.Path, Message: fmt.Sprintf(format, args...), Level: p.Level}
}

func (p *policy) waived(id string) bool {
	return id != "" && slices.ContainsFunc(p.Waive, func(w named) bool { return w.Permission == id })
}

func (p *policy) checkLevels(permissions []manifest.Permission) []Violation {
	var found []Violation
	for _, q := range permissions {
		if p.MaxLevel != nil && q.Level > *p.MaxLevel {
			found = append(found, violation("maxLevel", q, "%s is %s, and %s allows at most %s", q.Title, q.Level, p.Name, *p.MaxLevel))
		}
	}
	return found
}

func (p *policy) checkReasons(permissions []manifest.Permission) []Violation {
	var found []Violation
	for _, q := range permissions {
		// What has no place in the manifest, or is a mere bound, has no
		// reason that could be given.
		may := q.Path != "" && q.Group != "resources"
		if p.RequireReason != nil && may && q.Level >= *p.RequireReason && q.Reason == "" {
			found = append(found, violation("requireReason", q, "%s is %s and gives no reason", q.Title, q.Level))
		}
	}
	return found
}

func (p *policy) checkCeiling(m *manifest.Manifest) []Violation {
	if p.Ceiling == nil {
		return nil
	}
	outer := p.Ceiling.over(m)
	if mine, theirs := m.Syscalls.Architecture, outer.Syscalls.Architecture; mine != theirs {
		return []Violation{{
			Rule: "ceiling", Path: "syscalls.architecture", Level: manifest.Special,
			Message: fmt.Sprintf("the manifest is for %s, and %s has system calls for %s only", mine, p.Name, theirs),
		}}
	}
	var found []Violation
	for _, q := range manifest.Covers(outer, m) {
		found = append(found, violation("ceiling", q, "%s goes beyond what %s allows", q.Title, p.Name))
	}
	return found
}

func (p *policy) checkModes(m *manifest.Manifest, permissions []manifest.Permission) []Violation {
	mode := m.Network.Mode
	if p.Ceiling == nil || p.Ceiling.Network == nil || mode == manifest.NetworkNone || slices.Contains(p.Ceiling.Network.Modes, mode) {
		return nil
	}
	var found []Violation
	for _, q := range permissions {
		if q.ID == "network:"+string(mode) {
			found = append(found, violation("ceiling", q, "%s goes beyond what %s allows", q.Title, p.Name))
		}
	}
	return found
}

func (p *policy) checkForbidden(permissions []manifest.Permission) []Violation {
	var found []Violation
	for _, f := range p.Forbid {
		for _, q := range permissions {
			if forbids(f.Permission, q.ID) {
				found = append(found, violation("forbid", q, "%s is forbidden by %s: %s", q.Title, p.Name, f.Reason))
			}
		}
	}
	return found
}

// forbids reports whether a permission is, or includes, what is forbidden.
func forbids(forbidden, id string) bool {
	kind, what, _ := strings.Cut(forbidden, ":")
	idKind, idWhat, _ := strings.Cut(id, ":")
	if kind != idKind {
		return false
	}
	switch kind {
	case "syscall":
		idWhat, _, _ = strings.Cut(idWhat, "(")
	case "execute":
		if idWhat == manifest.AnyProgram {
			return true
		}
	case "read", "write":
		return below(what, idWhat) || below(idWhat, what)
	}
	return glob(what, idWhat)
}

// below reports whether a path is at or below base.
func below(base, path string) bool {
	return base == "/" || path == base || strings.HasPrefix(path, strings.TrimSuffix(base, "/")+"/")
}

// glob matches a text against a pattern in which "*" stands for anything.
func glob(pattern, text string) bool {
	parts := strings.Split(pattern, "*")
	if len(parts) == 1 {
		return pattern == text
	}
	first, last := parts[0], parts[len(parts)-1]
	if !strings.HasPrefix(text, first) {
		return false
	}
	text = text[len(first):]
	for _, part := range parts[1 : len(parts)-1] {
		i := strings.Index(text, part)
		if i < 0 {
			return false
		}
		text = text[i+len(part):]
	}
	return strings.HasSuffix(text, last)
}
