package record

import (
	"path"
	"strings"

	"github.com/least-privilege/lpm/analyzer/evidence"
)

// uses has what came of uses of paths that change nothing, so that the same
// use, which a program often makes over and over, is counted without being
// looked into. What was not there is looked for each time.
type uses struct {
	known map[use]outcome
	at    map[string][]use // by the path that they led to
}

// use is one way that one kind of caller names a path.
type use struct {
	call  string
	flags uint64
	text  string // absolute
	by    identity
}

// outcome is where a use led to, and what it was counted at.
type outcome struct {
	path, clean string // clean is the text without dots
	seen        []*evidence.Seen
}

const maxUses = 1 << 13

func newUses() uses { return uses{known: map[use]outcome{}, at: map[string][]use{}} }

// useOf describes a use, and returns false where the path's text alone does
// not say what it names.
func (r *Recorder) useOf(c call, text string, flags uint64) (use, bool) {
	if r.observing != nil || !r.common.view || !path.IsAbs(text) || below("/proc", text) {
		return use{}, false
	}
	cred, err := r.credentials(c)
	return use{c.name, flags, text, cred.identity()}, err == nil
}

// again counts a use that was looked into before.
func (r *Recorder) again(u use, c call) bool {
	o, known := r.uses.known[u]
	for _, s := range o.seen {
		r.facts.see(s, r.at(c))
	}
	return known
}

// keepUse keeps what a use was counted at since [facts.watch]. Where the record
// had no room for something, each use is to be counted as left out.
func (r *Recorder) keepUse(c call, u use, name string) {
	seen, complete := r.facts.watched()
	clean := path.Clean(u.text)
	if !complete || below("/proc", name) || r.moving.covers(name, c.now) || r.moving.covers(clean, c.now) {
		return
	}
	if len(r.uses.known) == maxUses {
		r.uses = newUses()
	}
	r.uses.known[u] = outcome{name, clean, seen}
	r.uses.at[name] = append(r.uses.at[name], u)
}

// forget has uses of a path looked into anew.
func (u *uses) forget(name string) {
	for _, use := range u.at[name] {
		delete(u.known, use)
	}
	delete(u.at, name)
}

// forgetBelow has uses of a path, and of all below it, looked into anew.
func (u *uses) forgetBelow(name string) {
	for _, o := range u.known {
		if below(name, o.path) || below(name, o.clean) {
			u.forget(o.path)
		}
	}
}

func below(base, name string) bool {
	return name == base || base == "/" ||
		strings.HasPrefix(name, base) && len(name) > len(base) && name[len(base)] == '/'
}
