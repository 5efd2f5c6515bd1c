package analyzer

import (
	"cmp"
	"fmt"
	"path"
	"slices"
	"strings"

	"github.com/least-privilege/lpm/analyzer/evidence"
	"github.com/least-privilege/lpm/manifest"
)

// ephemeral are the folders that hold what is not to be kept, by the
// Filesystem Hierarchy Standard; all that is written below one is its matter.
var ephemeral = [...]string{"/tmp", "/var/tmp", "/run", sharedMemory}

// sharedMemory is the writable folder that every container has.
const sharedMemory = "/dev/shm"

// persistent are the folders of data that is to be kept, by the same standard
// and by the habit of images.
var persistent = [...]string{"/data", "/home", "/srv", "/var/lib", "/var/mail", "/var/www"}

// programFolders are those of the image's code, by the same standard. They
// are never proposed writable: what is writable cannot hold programs, for
// nothing in it can be executed.
var programFolders = [...]string{"/bin", "/boot", "/lib", "/lib32", "/lib64", "/libx32", "/sbin", "/usr"}

// maxSiblings is how many folders within one other are proposed one by one.
const (
	maxSiblings    = 8
	maxTopSiblings = 64 // in a folder of the root
	maxWritable    = 1024
)

// written is a folder that is to be writable.
type written struct {
	path string
	why  Explanation
	// example is one of the files changed in it.
	example string
	files   int
	// kept is a file that was made or changed in it and not taken away again.
	kept string
}

// remains reports whether a change leaves something behind.
func remains(f evidence.File) bool {
	return !slices.Contains(f.Access, evidence.Remove) && slices.ContainsFunc(f.Access, func(a evidence.Access) bool {
		return a == evidence.Create || a == evidence.Write || a == evidence.Rename || a == evidence.Below
	})
}

// maxData bounds the folders that are warned of one by one.
const maxData = 8

// outlives warns of the folders that look as if what is written there was meant
// to outlive the container.
func (p *proposer) outlives(list []written) {
	list = slices.DeleteFunc(slices.Clone(list), func(w written) bool {
		return w.kept == "" || !slices.ContainsFunc(persistent[:], func(f string) bool { return within(f, w.path) })
	})
	for i, w := range list {
		if i == maxData {
			p.warn("%s more with what looks like data, gone with the container", count(len(list)-i, "folder"))
			break
		}
		p.warn("%s, written%s, looks like data, and is gone with the container: the image declares no volume there; a mount with a volume would keep %s", w.kept, p.by(w.why.Programs), w.path)
	}
}

// mounts proposes a volume for each path that the image declares to hold
// data.
func (p *proposer) mounts() {
	for _, v := range slices.Compact(slices.Sorted(slices.Values(p.facts.Volumes))) {
		v = path.Clean("/" + v)
		if v == "/" || within("/proc", v) || within("/sys", v) || within("/dev", v) || !shows(v) {
			p.warn("the image declares a volume at %s, which cannot be one", v)
			continue
		}
		i := len(p.manifest.Mounts)
		name := p.volumeName(v)
		note := p.explain("mounts", i, Explanation{Basis: Declared, Text: "declared by the image to hold data"})
		p.manifest.Mounts = append(p.manifest.Mounts, manifest.Mount{Path: v, Volume: name, Write: true, Note: note})
	}
}

// volumeName makes a name out of a path: "/var/lib/redis" is "var-lib-redis".
func (p *proposer) volumeName(v string) string {
	name := strings.Map(func(r rune) rune {
		switch {
		case r >= 'a' && r <= 'z', r >= '0' && r <= '9', r == '.', r == '_':
			return r
		case r >= 'A' && r <= 'Z':
			return r + 'a' - 'A'
		}
		return '-'
	}, v)
	name = strings.Trim(name, "-._")
	if len(name) > 60 {
		name = strings.Trim(name[len(name)-60:], "-._")
	}
	if name == "" {
		name = "data"
	}
	for base, n := name, 2; slices.ContainsFunc(p.manifest.Mounts, func(m manifest.Mount) bool { return m.Volume == name }); n++ {
		name = fmt.Sprintf("%s-%d", base, n)
	}
	return name
}

// filesystem proposes the folders that were written to.
func (p *proposer) filesystem() {
	files := gather(p.records,
		func(r *evidence.Record) []evidence.File { return r.Files },
		func(f evidence.File) string { return f.Path },
		func(f evidence.File) evidence.Seen { return f.Seen },
		func(into *evidence.File, other evidence.File) { into.Access = union(into.Access, other.Access) })
	folders := map[string]written{}
	for _, f := range files {
		folder, ok := p.folder(f.fact, f.seen)
		if !ok {
			continue
		}
		w, known := folders[folder]
		if !known {
			w = written{path: folder, example: f.fact.Path, why: Explanation{Basis: Observed}}
		}
		w.files++
		if w.kept == "" && remains(f.fact) {
			w.kept = f.fact.Path
		}
		w.why = both(w.why, f.seen)
		folders[folder] = w
	}
	list := collapse(folders)
	if left := len(list) - maxWritable; left > 0 {
		p.warn("%s more written to than a manifest can name; the first %d are proposed", count(left, "folder"), maxWritable)
		list = list[:maxWritable]
	}
	p.outlives(list)
	for _, w := range list {
		what := w.example
		if w.files > 1 {
			what += " and " + count(w.files-1, "more file")
		}
		w.why.Text = what + " changed" + p.by(w.why.Programs)
		writable := &p.manifest.Filesystem.Writable
		entry := manifest.WritablePath{Path: w.path}
		if size, why := p.roomFor(w.path); size > 0 {
			entry.Size = size
			w.why.Text += "; size is " + why
		}
		entry.Note = p.explain("filesystem.writable", len(*writable), w.why)
		*writable = append(*writable, entry)
	}
}

// folder returns the folder that must be writable for a change to a file, and
// whether one is to be proposed at all.
func (p *proposer) folder(f evidence.File, seen Explanation) (string, bool) {
	name := f.Path
	for _, kernel := range []string{"/proc", "/sys"} {
		if within(kernel, name) {
			if kernel == "/sys" || within("/proc/sys", name) {
				p.warn("%s was opened for writing%s; the kernel's settings stay read-only", name, p.by(seen.Programs))
			}
			return "", false
		}
	}
	for _, m := range p.manifest.Mounts {
		if within(m.Path, name) {
			return "", false
		}
	}
	for _, e := range ephemeral {
		if within(e, name) {
			return e, true
		}
	}
	if within("/dev", name) {
		return "", false // the nodes and links of a container's own /dev
	}

	folder := path.Dir(name)
	for _, a := range f.Access {
		// A folder that was made is there once it is granted.
		if a == evidence.Below || a == evidence.MakeDir && folder == "/" {
			folder = name
		}
	}
	for !shows(folder) {
		folder = path.Dir(folder)
	}
	if path.Base(folder) == "__pycache__" {
		p.warn("Python would keep compiled modules in %s; it works without", folder)
		return "", false
	}
	for _, code := range programFolders {
		if within(code, folder) {
			p.warn("%s was changed%s; folders of programs are not proposed writable", name, p.by(seen.Programs))
			return "", false
		}
	}
	if folder == "/" {
		p.warn("%s was changed%s; the root folder itself is never writable", name, p.by(seen.Programs))
		return "", false
	}
	return folder, true
}

// collapse leaves out folders inside of others, and puts the many folders of
// one parent together; those of a top-level folder only where they are very many.
func collapse(folders map[string]written) []written {
	for {
		children := map[string][]string{}
		for f := range folders {
			if parent := path.Dir(f); parent != "/" {
				children[parent] = append(children[parent], f)
			}
		}
		joined := false
		for _, parent := range slices.Sorted(keys(children)) {
			most := maxSiblings
			if path.Dir(parent) == "/" {
				most = maxTopSiblings
			}
			if len(children[parent]) > most {
				slices.Sort(children[parent])
				for _, c := range children[parent] {
					absorb(folders, parent, c)
				}
				joined = true
			}
		}
		if !joined && !deepest(folders) {
			break
		}
	}
	for _, f := range slices.Sorted(keys(folders)) {
		for up := path.Dir(f); up != "/"; up = path.Dir(up) {
			if _, ok := folders[up]; ok {
				absorb(folders, up, f)
				break
			}
		}
	}
	var all []written
	for _, f := range slices.Sorted(keys(folders)) {
		all = append(all, folders[f])
	}
	return all
}

// deepest puts those folders together that are the farthest from the root, if
// there are more than a manifest can name, and reports whether it did.
func deepest(folders map[string]written) bool {
	most := 1
	for f := range folders {
		most = max(most, strings.Count(f, "/"))
	}
	if len(folders) <= maxWritable || most == 1 {
		return false
	}
	for _, f := range slices.Sorted(keys(folders)) {
		if strings.Count(f, "/") == most {
			absorb(folders, path.Dir(f), f)
		}
	}
	return true
}

// absorb makes a folder part of one above it.
func absorb(folders map[string]written, into, from string) {
	w, known := folders[into]
	if !known {
		w = written{path: into, example: folders[from].example, why: Explanation{Basis: Observed}}
	}
	w.files += folders[from].files
	w.kept = cmp.Or(w.kept, folders[from].kept)
	w.why = both(w.why, folders[from].why)
	folders[into] = w
	delete(folders, from)
}

// within reports whether a clean path is base or below it.
func within(base, p string) bool {
	return p == base || strings.HasPrefix(p, strings.TrimSuffix(base, "/")+"/")
}

// ownDevices are those that every container has, of its own.
var ownDevices = [...]string{
	"/dev/console", "/dev/fd", "/dev/full", "/dev/null", "/dev/pts", "/dev/random",
	sharedMemory, "/dev/stderr", "/dev/stdin", "/dev/stdout", "/dev/tty", "/dev/urandom", "/dev/zero",
}

// devices proposes the device nodes beyond those.
func (p *proposer) devices() {
	devices := gather(p.records,
		func(r *evidence.Record) []evidence.Device { return r.Devices },
		deviceName,
		func(d evidence.Device) evidence.Seen { return d.Seen },
		func(into *evidence.Device, other evidence.Device) { into.Write = into.Write || other.Write })
	for _, d := range devices {
		name := deviceName(d.fact)
		if slices.ContainsFunc(ownDevices[:], func(own string) bool { return within(own, name) }) {
			continue
		}
		if !within("/dev", name) || !shows(name) {
			p.warn("the device %s was used%s; only those below /dev can be granted", name, p.by(d.seen.Programs))
			continue
		}
		d.seen.Text = "read" + p.by(d.seen.Programs)
		if d.fact.Write {
			d.seen.Text = "opened for writing" + p.by(d.seen.Programs)
		}
		note := p.explain("devices", len(p.manifest.Devices), d.seen)
		p.manifest.Devices = append(p.manifest.Devices, manifest.Device{Path: name, Note: note})
	}
}

// deviceName is the path that a grant of a device names. /dev/ptmx is a link
// into the container's own pseudo-terminals, which come with its grant.
func deviceName(d evidence.Device) string {
	if d.Path == "/dev/pts/ptmx" {
		return "/dev/ptmx"
	}
	return d.Path
}
