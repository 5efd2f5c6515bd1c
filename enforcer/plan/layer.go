package plan

import (
	"fmt"
	"path"
	"slices"
	"strings"

	"github.com/least-privilege/lpm/enforcer/network/subnet"
	"github.com/least-privilege/lpm/manifest"
)

// devices are the nodes that every container has.
func devices() []string {
	return []string{"/dev/full", nullDevice, "/dev/random", "/dev/tty", "/dev/urandom", "/dev/zero"}
}

// ptmx is the device whose grant gives the container pseudo-terminals, console
// the terminal of its own that the caller may give it.
const (
	nullDevice = "/dev/null"
	ptmx       = "/dev/ptmx"
	console    = "/dev/console"
)

// SurveyPaths returns the paths of an image that a plan asks about: those of
// the manifest, which may be nil, and those that every container has.
func SurveyPaths(m *manifest.Manifest, workingDir string) []string {
	paths := []string{"/etc"}
	if workingDir != "" {
		paths = append(paths, path.Clean(workingDir))
	}
	if m == nil {
		return paths
	}
	for _, p := range m.Execute {
		if p.Path != manifest.AnyProgram {
			paths = append(paths, p.Path)
		}
	}
	for _, p := range m.Filesystem.Readable {
		paths = append(paths, p.Path)
	}
	for _, p := range m.Filesystem.Writable {
		paths = append(paths, p.Path)
	}
	for _, p := range m.Mounts {
		paths = append(paths, p.Path)
	}
	return paths
}

// layer lists what the overlay layer holds: mount points, the files that
// differ for every container, and a whiteout for each hidden program. The
// folder dev is mounted by itself over the image's, so that nothing an image
// brings there is seen.
func (b *builder) layer(hidden []string) error {
	entries := map[string]LayerEntry{}
	add := func(kind LayerKind, p string) { entries[p] = LayerEntry{Path: p, Kind: kind} }

	for _, dir := range []string{"/proc", "/sys", "/dev", "/dev/pts", shm} {
		add(LayerDir, dir)
	}
	for _, d := range append(devices(), console) {
		add(LayerFile, d)
	}
	for name, target := range map[string]string{
		"fd": "/proc/self/fd", "stdin": "/proc/self/fd/0", "stdout": "/proc/self/fd/1",
		"stderr": "/proc/self/fd/2", "ptmx": "pts/ptmx",
	} {
		entries["/dev/"+name] = LayerEntry{Path: "/dev/" + name, Kind: LayerSymlink, Target: target}
	}
	etc, hostname := b.real("/etc"), b.Options.hostname()
	files := map[string]string{
		"hostname": hostname + "\n", "hosts": "127.0.0.1\tlocalhost " + hostname + "\n::1\tlocalhost " + hostname + "\n",
		"resolv.conf": "",
	}
	switch b.networkMode() {
	case manifest.NetworkHost:
		files["hosts"] += b.Host.Hosts
	case manifest.NetworkPrivate:
		files["resolv.conf"] = "nameserver " + subnet.Gateway4().String() + "\n"
	}
	if b.Places.Localtime != "" {
		files["localtime"] = ""
	}
	for name, content := range files {
		p := path.Join(etc, name)
		entries[p] = LayerEntry{Path: p, Kind: LayerFile, Content: content}
	}
	add(LayerDir, b.real(b.plan.Process.Dir))
	for _, m := range b.chosen {
		if err := b.claim(m.Path); err != nil {
			return err
		}
		add(LayerDir, b.real(m.Path))
	}
	if b.Mode == Enforce {
		if err := b.mountPoints(add); err != nil {
			return err
		}
	}
	for _, p := range hidden {
		add(LayerWhiteout, p)
	}
	delete(entries, "/")
	for _, e := range entries {
		b.plan.Layer.Entries = append(b.plan.Layer.Entries, e)
	}
	slices.SortFunc(b.plan.Layer.Entries, func(x, y LayerEntry) int { return strings.Compare(x.Path, y.Path) })
	return nil
}

// mountPoints adds a place for every writable path and device of the manifest.
func (b *builder) mountPoints(add func(LayerKind, string)) error {
	for _, w := range b.Manifest.Filesystem.Writable {
		if f := b.fact(w.Path); f.Exists && !f.Dir {
			return fmt.Errorf("the manifest makes %q writable, which is a file in this image: name its folder", w.Path)
		}
		if err := b.claim(w.Path); err != nil {
			return err
		}
		add(LayerDir, b.real(w.Path))
	}
	for _, d := range b.Manifest.Devices {
		if d.Path == ptmx {
			continue
		}
		for dir := path.Dir(d.Path); dir != "/dev" && dir != "/"; dir = path.Dir(dir) {
			add(LayerDir, dir)
		}
		add(LayerFile, d.Path)
	}
	return nil
}

// claim refuses mount points that would replace what lpm itself puts there.
func (b *builder) claim(p string) error {
	real := b.real(p)
	for _, own := range []string{"/proc", "/sys", "/dev"} {
		if real == own || strings.HasPrefix(real, own+"/") && real != shm {
			return fmt.Errorf("there can be no mount at %q, which every container has of its own", p)
		}
	}
	if real == "/" {
		return fmt.Errorf("there can be no mount at %q, which is the root in this image", p)
	}
	return nil
}

// fact is what the survey found of a path of the manifest.
func (b *builder) fact(p string) PathFact {
	if f, ok := b.Image.Survey.Paths[p]; ok {
		return f
	}
	return PathFact{Real: p}
}
