package record

import (
	"path"
	"strings"

	"golang.org/x/sys/unix"

	"github.com/least-privilege/lpm/analyzer/evidence"
)

// uses has what came of uses of paths that change nothing, so that the same
// use, which a program often makes over and over, is counted without being
// looked into. What was not there is looked for each time.
type uses map[use]outcome

// use is one way that one kind of caller names a path.
type use struct {
	call     string
	flags    uint64
	text     string // absolute
	fsuid    uint32
	override bool // it has CAP_DAC_OVERRIDE
}

// outcome is where a use led to, and what it was counted at.
type outcome struct {
	path string
	seen []*evidence.Seen
}

const maxUses = 1 << 13

// useOf describes a use, and returns false where the path's text alone does
// not say what it names.
func (r *Recorder) useOf(c call, text string, flags uint64) (use, bool) {
	if r.observing != nil || !path.IsAbs(text) || below("/proc", path.Clean(text)) {
		return use{}, false
	}
	cred, err := r.credentials(c)
	return use{c.name, flags, text, cred.fsuid(), cred.has(unix.CAP_DAC_OVERRIDE)}, err == nil
}

// again counts a use that was looked into before.
func (r *Recorder) again(u use, c call) bool {
	o, known := r.uses[u]
	for _, s := range o.seen {
		r.facts.see(s, r.at(c))
	}
	return known
}

// keepUse keeps what a use was counted at since [facts.watch]. Where the record
// had no room for something, each use is to be counted as left out.
func (r *Recorder) keepUse(u use, name string) {
	seen, complete := r.facts.watched()
	if !complete || below("/proc", name) {
		return
	}
	if len(r.uses) == maxUses {
		clear(r.uses)
	}
	r.uses[u] = outcome{name, seen}
}

// forgetUses has uses of a path, and of all below it, looked into anew.
func (r *Recorder) forgetUses(name string, link bool) {
	if link { // paths through it do not show it
		clear(r.uses)
		return
	}
	for u, o := range r.uses {
		if below(name, o.path) || below(name, path.Clean(u.text)) {
			delete(r.uses, u)
		}
	}
}

func below(base, name string) bool {
	return name == base || strings.HasPrefix(name, strings.TrimSuffix(base, "/")+"/")
}
