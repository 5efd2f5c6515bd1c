package policy

import (
	"strings"

	"github.com/least-privilege/lpm/manifest"
)

// What is looked up below a wildcard. A container that may choose a name can say
// something by it to whoever answers for that name; servers have names of a few
// parts.
const (
	maxBelowLabels = 5
	maxBelowBytes  = 100
)

// Canonical returns the form of a name in which names are compared: lower case,
// with no dot at its end. It is false for what cannot be the name of a host: an
// empty or an overlong one (253 bytes, 63 a label), other bytes than letters,
// digits, '-' and '_', and a last label that makes it an address.
func Canonical(name string) (string, bool) {
	name = strings.TrimSuffix(name, ".")
	if name == "" || len(name) > 253 {
		return "", false
	}
	last := ""
	for label := range strings.SplitSeq(name, ".") {
		if label == "" || len(label) > 63 || label[0] == '-' || label[len(label)-1] == '-' {
			return "", false
		}
		for i := range len(label) {
			c := label[i]
			if !letter(c) && (c < '0' || c > '9') && c != '-' && c != '_' {
				return "", false
			}
		}
		last = label
	}
	for i := range len(last) {
		if letter(last[i]) {
			return strings.ToLower(name), true
		}
	}
	return "", false
}

func letter(c byte) bool { return 'a' <= c|0x20 && c|0x20 <= 'z' }

// Name decides whether a name may be looked up. The entry that would grant it
// has neither ports nor protocol, for the question does not tell them: see
// [Rules.With].
func (r *Rules) Name(name string) Verdict {
	known, ok := Canonical(name)
	if !ok {
		return Verdict{Reason: BadName}
	}
	if r != nil && r.everything {
		return Verdict{Allowed: true, Reason: Recorded, Name: known}
	}
	why := NameNotGranted
	if r != nil {
		_, why = r.find(known)
	}
	switch {
	case why == ByWildcard && r.long(known):
		return Verdict{Reason: LongName, Name: known, Grant: hostGrant(known, Flow{})}
	case why == NameNotGranted:
		return Verdict{Reason: why, Name: known, Grant: hostGrant(known, Flow{})}
	}
	return Verdict{Allowed: true, Reason: why, Name: known}
}

// long reports whether a name says more below the wildcards that grant it than
// is looked up.
func (r *Rules) long(name string) bool {
	labels := 0
	for i := range len(name) {
		if name[i] != '.' {
			continue
		}
		labels++
		if len(r.below[name[i+1:]]) > 0 && labels <= maxBelowLabels && i <= maxBelowBytes {
			return false
		}
	}
	return true
}

// hostGrant returns the entry that grants a name for a flow, or nil where no
// manifest can say that.
func hostGrant(name string, f Flow) *manifest.Egress {
	// A manifest has the names of RFC 1123.
	if strings.Contains(name, "_") {
		return nil
	}
	e := &manifest.Egress{Host: name}
	if f == (Flow{}) {
		return e
	}
	return atPort(e, f)
}
