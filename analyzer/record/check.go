package record

import (
	"errors"
	"path"
	"slices"
	"strings"

	"github.com/least-privilege/lpm/analyzer/evidence"
	"github.com/least-privilege/lpm/enforcer/plan"
	"github.com/least-privilege/lpm/enforcer/supervise"
	"golang.org/x/sys/unix"
)

// The kernel does not tell an ordinary user which capabilities it looked for.
// The functions here repeat its file system checks (fs/namei.c, fs/attr.c) on
// what can be seen from outside: a capability is noted where a call that has
// it would be refused without it. Access control lists are not considered,
// and a folder that the supervisor may not search ends a check: both can make
// it miss a capability, never invent one.

// checks are those that were already made, by path, so that a path which is
// used over and over is walked once.
type checks map[string][]check

type check struct {
	by         identity
	bits       uint32
	search     bool // of the path as a folder on the way
	changesDir bool
}

const (
	maxChecks       = 1 << 14 // paths
	maxChecksOfPath = 64
)

// forgetChecks makes all checks anew: who may do what is about to change.
func (r *Recorder) forgetChecks(c call) {
	clear(r.checks)
	r.uses = newUses()
	r.moving.begin(everything, c.now)
}

// checkAccess notes the capabilities that getting at a path takes: searching
// its folders, changing the last of them, and the bits of the file's own mode.
func (r *Recorder) checkAccess(c call, name string, bits uint32, changesDir bool) error {
	cred, err := r.credentials(c)
	if err != nil {
		return err
	}
	// With CAP_DAC_READ_SEARCH alone nothing in record mode's set changes:
	// the runtimes' default has CAP_DAC_OVERRIDE.
	if !cred.has(unix.CAP_DAC_OVERRIDE) {
		return nil
	}
	of := check{by: cred.identity(), bits: bits, changesDir: changesDir}
	if r.checks.made(name, of) {
		return nil
	}
	parent := path.Dir(name)
	for dir := range folders(name) {
		of := check{by: of.by, search: true, changesDir: changesDir && dir == parent}
		if r.checks.made(dir, of) {
			continue
		}
		f, err := r.stat(c, dir)
		if err != nil {
			return nil
		}
		r.remember(c, dir, of)
		if !r.permits(f, cred, 1) {
			r.needs(c, "CAP_DAC_READ_SEARCH", "searching "+dir)
		}
		if dir == parent && changesDir && !r.permits(f, cred, 2) {
			r.needs(c, "CAP_DAC_OVERRIDE", "changing what is in "+dir)
		}
	}
	if bits == 0 {
		return nil
	}
	f, err := r.stat(c, name)
	if err != nil {
		return nil
	}
	r.remember(c, name, of)
	if r.permits(f, cred, bits) {
		return nil
	}
	if bits&2 == 0 && bits&4 != 0 {
		r.needs(c, "CAP_DAC_READ_SEARCH", "reading "+name)
	} else {
		r.needs(c, "CAP_DAC_OVERRIDE", describe(c, name))
	}
	return nil
}

func (m checks) made(name string, of check) bool { return slices.Contains(m[name], of) }

// remember marks a check as made.
func (r *Recorder) remember(c call, name string, of check) {
	if r.moving.covers(name, c.now) {
		return
	}
	list := r.checks[name]
	switch {
	case list == nil && len(r.checks) == maxChecks:
		clear(r.checks)
	case len(list) == maxChecksOfPath:
		list = nil
	}
	r.checks[name] = append(list, of)
}

// forgetPath has what was found of a path looked into anew, which a call is
// about to take away or to move, and of all below it if it moves a folder. Where
// it is a link, no path shows what leads through it.
func (r *Recorder) forgetPath(c call, name string, kind uint32, moves bool) {
	switch {
	case kind == unix.S_IFLNK:
		r.forgetChecks(c)
	case kind == unix.S_IFDIR && moves:
		clear(r.checks)
		r.uses.forgetBelow(name)
	default:
		delete(r.checks, name)
		r.uses.forget(name)
	}
	r.moving.begin(name, c.now)
}

// look finds what an absolute path leads to, and keeps it for the checks that the
// same call takes.
func (r *Recorder) look(c call, name string, follow bool) (supervise.Place, error) {
	p, err := r.findPlace(c, name, follow)
	if r.found = (supervise.Place{}); err == nil && p.Err == nil {
		r.found = p
	}
	return p, err
}

// findPlace finds what an absolute path leads to, by a folder that is open where
// all processes see the same.
func (r *Recorder) findPlace(c call, name string, follow bool) (supervise.Place, error) {
	if r.common.view && r.common.root != nil && !r.moving.covers(name, c.now) {
		if p, ok := r.folders.find(int(r.common.root.Fd()), name, follow, c.now); ok {
			return p, nil
		}
	}
	return c.Find(name, follow)
}

// stat describes what an absolute path without links leads to.
func (r *Recorder) stat(c call, name string) (file, error) {
	if r.found.Path == name {
		return fileOf(r.found), nil
	}
	p, err := r.findPlace(c, name, false)
	if err == nil {
		err = p.Err
	}
	return fileOf(p), err
}

// folders yields the folders above a path, from the root downwards.
func folders(name string) func(func(string) bool) {
	return func(yield func(string) bool) {
		if name == "/" || !yield("/") {
			return
		}
		for i := 1; i < len(name); i++ {
			if name[i] == '/' && !yield(name[:i]) {
				return
			}
		}
	}
}

// permits repeats acl_permission_check without lists. Owners outside the
// container's ids are refused even with capabilities, so nothing is to be
// learned there.
func (r *Recorder) permits(f file, cred credentials, bits uint32) bool {
	if !r.mapped(f) {
		return true
	}
	mode := f.mode
	switch {
	case f.uid == cred.fsuid():
		mode >>= 6
	case cred.inGroup(f.gid):
		mode >>= 3
	}
	return mode&bits == bits
}

// checkOwner notes CAP_FOWNER where a call that only a file's owner may make
// is made by another.
func (r *Recorder) checkOwner(c call, name string) error {
	f, cred, err := r.owned(c, name)
	if err != nil || cred.fsuid() == f.uid || !cred.has(unix.CAP_FOWNER) {
		return err
	}
	r.needs(c, "CAP_FOWNER", describe(c, name))
	return nil
}

// checkSticky notes CAP_FOWNER for removing another's file from a sticky
// folder.
func (r *Recorder) checkSticky(c call, name string) error {
	dir, cred, err := r.owned(c, path.Dir(name))
	if err != nil || dir.mode&unix.S_ISVTX == 0 || dir.uid == cred.fsuid() {
		return err
	}
	return r.checkOwner(c, name)
}

// checkChown notes CAP_CHOWN where a file's owner changes, or its group to
// one that its owner is not in. Giving the same owner again takes it too
// unless the caller is that owner.
func (r *Recorder) checkChown(c call, name string) error {
	f, cred, err := r.owned(c, name)
	if err != nil || !cred.has(unix.CAP_CHOWN) {
		return err
	}
	const keep = ^uint32(0)
	uid, gid := uint32(c.args[1]), uint32(c.args[2])
	if c.name == "fchownat" {
		uid, gid = uint32(c.args[2]), uint32(c.args[3])
	}
	owner := cred.fsuid() == f.uid
	hostUID, hostGID := hostID(r.options.Identity.UIDs, uid), hostID(r.options.Identity.GIDs, gid)
	if uid != keep && hostUID != cred.fsuid() {
		r.noteID("owner", uid, r.at(c))
	}
	if gid != keep && !cred.inGroup(hostGID) {
		r.noteID("ownergroup", gid, r.at(c))
	}
	if uid != keep && !(owner && hostUID == f.uid) ||
		gid != keep && !(owner && (hostGID == f.gid || cred.inGroup(hostGID))) {
		r.needs(c, "CAP_CHOWN", describe(c, name))
	}
	return nil
}

// owned describes a file and the caller. A file that cannot be described, or
// whose owner the container has no id for, is given as the caller's own.
func (r *Recorder) owned(c call, name string) (file, credentials, error) {
	cred, err := r.credentials(c)
	if err != nil {
		return file{}, cred, err
	}
	f, err := r.stat(c, strings.TrimSuffix(name, " (deleted)"))
	if err != nil || !r.mapped(f) {
		f.uid, f.gid = cred.fsuid(), cred.gids[3]
	}
	if errors.Is(err, unix.ENOENT) || errors.Is(err, unix.EACCES) {
		err = nil
	}
	return f, cred, err
}

// needs notes a capability.
func (r *Recorder) needs(c call, capability, example string) {
	if r.observing != nil {
		return // they are seen, not inferred
	}
	n := entry(&r.facts, r.facts.capabilities, "capabilities", maxOthers, capability,
		evidence.Capability{Name: capability, Example: text(example)}, example)
	r.facts.see(&n.Seen, r.at(c))
}

// mapped reports whether the container has ids for a file's owner and group.
func (r *Recorder) mapped(f file) bool {
	_, user := containerID(r.options.Identity.UIDs, f.uid)
	_, group := containerID(r.options.Identity.GIDs, f.gid)
	return user && group
}

// containerID turns an id that the supervisor sees into the container's.
func containerID(maps []plan.IDMap, host uint32) (uint32, bool) {
	for _, m := range maps {
		if host >= m.Host && host-m.Host < m.Size {
			return m.Container + (host - m.Host), true
		}
	}
	return 0, false
}

// hostID is the reverse of [containerID]; an id that is not mapped becomes
// one that no file has.
func hostID(maps []plan.IDMap, container uint32) uint32 {
	for _, m := range maps {
		if container >= m.Container && container-m.Container < m.Size {
			return m.Host + (container - m.Container)
		}
	}
	return ^uint32(0)
}
