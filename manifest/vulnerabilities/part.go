package vulnerabilities

import (
	"slices"
	"strconv"
	"strings"

	"github.com/least-privilege/lpm/manifest"
)

// Part is what one permission of a manifest does to the vulnerabilities that
// the manifest leaves open.
type Part struct {
	// Needing are those that take the permission, it or another that the
	// manifest has too. Sorted by ID.
	Needing []Vulnerability
	// Closed are those of them that taking the permission away, and nothing
	// else, would close.
	Closed []Vulnerability
}

// Parts returns the part of each permission of a manifest that has one, by the
// permission's place in it, such as "syscalls.allow[3]".
func Parts(m *manifest.Manifest) map[string]Part {
	open := Open(m)
	needs := needsOf(open)
	all := reachOf(Confinement{Manifest: m})
	parts := map[string]Part{}
	bySubject := map[string][]touchedBy{}
	for _, p := range m.Permissions() {
		subject, only, without := apart(m, p.Path)
		if subject == "" {
			continue
		}
		touched, known := bySubject[subject]
		if !known {
			touched = touch(open, needs, subject)
			bySubject[subject] = touched
		}
		if touched == nil {
			continue
		}
		alone, rest := reachOf(Confinement{Manifest: only}), all.leaving(without, p.Path)
		var part Part
		for _, v := range touched {
			switch {
			case !rest.all(v.its):
				part.Closed = append(part.Closed, v.Vulnerability)
			case !slices.ContainsFunc(v.its, alone.holds):
				continue
			}
			part.Needing = append(part.Needing, v.Vulnerability)
		}
		if len(part.Needing) > 0 {
			parts[p.Path] = part
		}
	}
	return parts
}

// leaving returns the reach of a manifest without the entry at a place. Where
// that is a call, what was found out about the others stays good.
func (r *reach) leaving(without *manifest.Manifest, place string) *reach {
	if list, i := index(place); list == "syscalls.allow" {
		return &reach{confinement: r.confinement, calls: r.calls, without: i, known: map[string]bool{}}
	}
	return &reach{confinement: Confinement{Manifest: without}, calls: r.calls, without: -1, known: map[string]bool{}}
}

// touchedBy is a vulnerability and those of its needs about which a permission
// can decide. Of the others, the permission changes nothing.
type touchedBy struct {
	Vulnerability
	its []string
}

func touch(open []Vulnerability, needs map[string]need, subject string) []touchedBy {
	var touched []touchedBy
	for _, v := range open {
		its := slices.DeleteFunc(slices.Clone(v.Needs), func(n string) bool { return !needs[n].touches(subject) })
		if len(its) > 0 {
			touched = append(touched, touchedBy{v, its})
		}
	}
	return touched
}

// need is the alternatives of an element of needs.
type need []alternative

// needsOf reads the needs of a list. What cannot be read holds for nobody, so
// that it is not in the list.
func needsOf(list []Vulnerability) map[string]need {
	needs := map[string]need{}
	for _, v := range list {
		for _, text := range v.Needs {
			if _, read := needs[text]; read {
				continue
			}
			var n need
			for _, one := range alternatives(text) {
				if a, err := parse(one); err == nil {
					n = append(n, a)
				}
			}
			needs[text] = n
		}
	}
	return needs
}

// touches reports whether a permission can decide about the need.
func (n need) touches(subject string) bool {
	return slices.ContainsFunc(n, func(a alternative) bool {
		switch a.name {
		case "net-admin", "net-raw":
			return a.overNetwork(subject)
		case "user-namespace", "sys-admin":
			return makesNamespaces(subject) || a.name == "sys-admin" && subject == "CAP_SYS_ADMIN"
		case "host-network":
			return subject == "network"
		case "device":
			return subject == a.path
		}
		return subject == a.name
	})
}

// overNetwork reports whether a permission can make "net-admin" or "net-raw"
// hold or not.
func (a alternative) overNetwork(subject string) bool {
	capability := "CAP_NET_ADMIN"
	if a.name == "net-raw" {
		capability = "CAP_NET_RAW"
	}
	return subject == capability || subject == "CAP_SYS_ADMIN" || subject == "network" || makesNamespaces(subject)
}

func makesNamespaces(call string) bool {
	return call == "clone" || call == "unshare" || call == "clone3"
}

// apart returns what the permission at a place is about (a call, a capability,
// a device's path or "network"), a manifest with it alone, and one without it,
// except that of calls all stay. The subject is empty for kinds of permissions
// that no vulnerability takes.
func apart(m *manifest.Manifest, place string) (subject string, only, without *manifest.Manifest) {
	only = &manifest.Manifest{Version: m.Version, Network: manifest.Network{Mode: m.Network.Mode}}
	only.Syscalls.Architecture, only.Syscalls.Kernel = m.Syscalls.Architecture, m.Syscalls.Kernel
	rest := *m
	list, i := index(place)
	switch {
	case list == "syscalls.allow" && i < len(m.Syscalls.Allow):
		subject = m.Syscalls.Allow[i].Name
		only.Syscalls.Allow = m.Syscalls.Allow[i : i+1]
	case list == "capabilities" && i < len(m.Capabilities):
		subject = m.Capabilities[i].Name
		only.Capabilities, rest.Capabilities = cut(m.Capabilities, i)
	case list == "devices" && i < len(m.Devices):
		subject = m.Devices[i].Path
		only.Devices, rest.Devices = cut(m.Devices, i)
	case place == "network":
		subject = "network"
		rest.Network = manifest.Network{Mode: manifest.NetworkNone}
	}
	return subject, only, &rest
}

// index reads a place such as "devices[2]".
func index(place string) (list string, i int) {
	list, rest, _ := strings.Cut(place, "[")
	i, err := strconv.Atoi(strings.TrimSuffix(rest, "]"))
	if err != nil || i < 0 {
		return "", 0
	}
	return list, i
}

// cut returns the entry at i, and the others.
func cut[T any](list []T, i int) (entry, others []T) {
	return slices.Clone(list[i : i+1]), slices.Delete(slices.Clone(list), i, i+1)
}
