package plan

import (
	"path"
	"slices"

	"github.com/least-privilege/lpm/manifest"
)

// Files is what the supervisor knows of files where their use is traced. The
// kernel refuses what is not granted by itself, and goes on doing so: a trace
// only tells of it.
type Files struct {
	// Calls are the granted calls that the supervisor is shown for it.
	Calls []string `json:"calls"`
	// Readable are, where the manifest narrows reading, all paths that can be
	// read with what is below them; empty where the whole image can.
	Readable []string `json:"readable,omitempty"`
	// Mounts are those of the manifest that are mounted, as it has them but
	// with the path that each is mounted at. The caller may have chosen another
	// source, and taken writing away.
	Mounts []manifest.Mount `json:"mounts,omitempty"`
}

// FileCalls are the calls that open a file, or change one, by its path. They
// are among the most frequent of all, so that the filter lets them go by
// itself unless the caller wants to know of each that is refused.
func FileCalls() []string {
	return []string{
		"chmod", "chown", "creat", "fchmodat", "fchmodat2", "fchownat", "futimesat", "lchown", "link", "linkat",
		"mkdir", "mkdirat", "mknod", "mknodat", "open", "openat", "openat2", "rename", "renameat", "renameat2",
		"rmdir", "symlink", "symlinkat", "truncate", "unlink", "unlinkat", "utime", "utimensat", "utimes",
	}
}

// traced reports whether a call goes to the supervisor for its path.
func (b *builder) traced(name string) bool {
	return b.Mode == Enforce && b.Options.TraceFiles && slices.Contains(FileCalls(), name)
}

// handedOver reports whether the filter leaves a granted call, with any
// arguments, to the supervisor.
func (b *builder) handedOver(name string) bool {
	return slices.Contains(b.namedCalls(), name) || b.traced(name)
}

// files gathers what a trace looks at.
func (b *builder) files() *Files {
	if !b.Options.TraceFiles {
		return nil
	}
	f := &Files{}
	for _, s := range b.Manifest.Syscalls.Allow {
		if b.traced(s.Name) && !slices.Contains(f.Calls, s.Name) {
			f.Calls = append(f.Calls, s.Name)
		}
	}
	for _, m := range b.asked {
		if mountAt(b.Manifest.Mounts, m.Path) >= 0 {
			m.Path = b.real(m.Path)
			f.Mounts = append(f.Mounts, m)
		}
	}
	// Without Landlock, where the caller accepts that, the whole image is read.
	if len(b.Manifest.Filesystem.Readable) > 0 && b.Host.LandlockABI > 0 {
		f.Readable = b.readablePlaces()
	}
	return f
}

// readablePlaces are the paths for which Landlock gives the right to read
// back.
func (b *builder) readablePlaces() []string {
	places := []string{"/dev", "/proc"}
	if b.Places.Localtime != "" {
		places = append(places, path.Join(b.real("/etc"), "localtime"))
	}
	for p := range b.granted() {
		if p != manifest.AnyProgram {
			places = append(places, p)
		}
	}
	for _, r := range b.Manifest.Filesystem.Readable {
		places = append(places, b.real(r.Path))
	}
	for _, w := range b.Manifest.Filesystem.Writable {
		places = append(places, b.real(w.Path))
	}
	for _, m := range b.Manifest.Mounts {
		places = append(places, b.real(m.Path))
	}
	slices.Sort(places)
	return slices.Compact(places)
}

// conditions returns, of the granted calls that the supervisor sees, the
// comparisons that the filter would have made. A call that
// any entry grants without conditions is not among them.
func (b *builder) conditions() (map[string][][]Compare, error) {
	when, plain := map[string][][]Compare{}, map[string]bool{}
	for _, s := range b.Manifest.Syscalls.Allow {
		if !b.leaves(s.Name) || plain[s.Name] {
			continue
		}
		if len(s.When) == 0 {
			plain[s.Name] = true
			delete(when, s.Name)
			continue
		}
		alternatives, err := b.alternatives(s)
		if err != nil {
			return nil, err
		}
		when[s.Name] = append(when[s.Name], alternatives...)
	}
	return when, nil
}
