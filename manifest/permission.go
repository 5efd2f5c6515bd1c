package manifest

import (
	"cmp"
	"slices"
)

// Permission is one thing a manifest allows, in the words of a reviewer.
//
// Its texts contain strings of the manifest. [Manifest.Validate] lets no
// control or invisible characters through, but whoever prints the texts of a
// manifest that was not validated must escape them.
type Permission struct {
	// ID names the permission for good: it is what approvals, denials and
	// command lines use. It has the form kind:subject, where kind is one of
	// syscall, capability, identity, execute, read, write, mount, device,
	// network, egress, listen and resource.
	ID string `json:"id"`
	// Group is the ID of a [GroupInfo].
	Group string `json:"group"`
	// Title says what is allowed, in a few words with all particulars.
	Title string `json:"title"`
	// Meaning is a sentence that says what a program with the permission
	// could do to the person who runs it.
	Meaning string `json:"meaning"`
	Level   Level  `json:"level"`
	// Reason and Optional are the manifest's own.
	Reason   string `json:"reason,omitempty"`
	Optional bool   `json:"optional,omitempty"`
	// Path is the place in the manifest, such as "mounts[0]"; empty for
	// what follows from a field that is not there.
	Path string `json:"path,omitempty"`
}

// grant is a permission together with what is needed to compare it.
type grant struct {
	Permission
	// subject is what stays the same when the permission is widened.
	subject string
	// in reports whether outer allows all of it.
	in func(outer *Manifest) bool
}

// Permissions returns everything that the manifest allows, the worst first,
// then by group and ID. A field that bounds something and is not there allows
// all of it, and is listed as such.
func (m *Manifest) Permissions() []Permission {
	grants := m.grants()
	permissions := make([]Permission, len(grants))
	for i, g := range grants {
		permissions[i] = g.Permission
	}
	sortPermissions(permissions)
	return permissions
}

func sortPermissions(list []Permission) {
	order := map[string]int{}
	for i, g := range groups {
		order[g.ID] = i
	}
	slices.SortStableFunc(list, func(a, b Permission) int {
		return cmp.Or(
			cmp.Compare(b.Level, a.Level),
			cmp.Compare(order[a.Group], order[b.Group]),
			cmp.Compare(a.ID, b.ID),
		)
	})
}

// grants lists every permission in the order of the manifest's sections.
func (m *Manifest) grants() []grant {
	var all []grant
	for _, section := range [][]grant{
		m.syscallGrants(), m.capabilityGrants(), m.identityGrants(), m.programGrants(),
		m.readGrants(), m.writeGrants(), m.mountGrants(), m.deviceGrants(),
		m.networkGrants(), m.resourceGrants(),
	} {
		all = append(all, section...)
	}
	return all
}

// Covers returns the permissions of inner that go beyond outer, in the order
// of [Manifest.Permissions]; none when outer allows everything inner does.
//
// It errs only on the safe side: what it cannot decide (conditions that
// overlap in thousands of ways) it reports as beyond.
func Covers(outer, inner *Manifest) []Permission {
	var beyond []Permission
	for _, g := range inner.grants() {
		if !g.in(outer) {
			beyond = append(beyond, g.Permission)
		}
	}
	sortPermissions(beyond)
	return beyond
}
