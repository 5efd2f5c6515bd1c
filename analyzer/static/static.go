// Package static looks at what the programs of an image could do.
//
// It reads the imports of ELF programs and of the libraries they are linked
// with, and tells which system calls the C library would make for them. What
// it finds is a reason to expect a call, never a proof that there is none:
// code that was linked statically, or makes system calls by itself, is
// unknown.
package static

import (
	"debug/elf"
	"errors"
	"fmt"
	"os"
	"path"
	"slices"
	"strings"

	"github.com/cyphar/filepath-securejoin/pathrs-lite"
	"github.com/least-privilege/lpm/manifest"
)

// Evidence is what the code of some programs can do.
type Evidence struct {
	// Reachable has the system calls that the code can make, by name, each
	// with how: "poll imported by /usr/sbin/nginx".
	Reachable map[string]string
	// Unknown are programs whose calls cannot be told: linked statically or
	// not to be read.
	Unknown []string
	// Libc is the C library, such as "glibc 2.36" or "musl", or empty.
	Libc string
}

// Bounds of one scan. Images are hostile.
const (
	maxFileSize = 1 << 30
	maxFiles    = 2048
)

// Scan reads the programs and libraries with the given paths inside the image
// tree at root, and the libraries they need. Paths that hold no ELF file, such
// as scripts, say nothing. The error is of the tree itself; a program that
// cannot be read is unknown.
func Scan(root, architecture string, paths []string) (*Evidence, error) {
	if manifest.SyscallTable(architecture) == nil {
		return nil, fmt.Errorf("looking at the image's code: unknown architecture %q", architecture)
	}
	dir, err := os.OpenFile(root, os.O_RDONLY, 0)
	if err != nil {
		return nil, fmt.Errorf("looking at the image's code: %w", err)
	}
	defer dir.Close()
	s := &scan{
		root: dir, architecture: architecture, wrappers: wrapperTable(),
		found: Evidence{Reachable: map[string]string{}}, musl: map[string]string{},
		known: map[string]bool{}, bases: map[string]string{},
	}
	for _, p := range paths {
		if strings.Contains(path.Base(p), ".so") {
			s.bases[path.Base(p)] = p
		}
	}
	queue := slices.Clone(paths)
	for len(queue) > 0 && len(s.known) < maxFiles {
		p := queue[0]
		queue = queue[1:]
		if s.known[p] {
			continue
		}
		s.known[p] = true
		more, err := s.file(p)
		if err != nil {
			s.found.Unknown = append(s.found.Unknown, p)
			continue
		}
		queue = append(queue, more...)
	}
	if len(queue) > 0 {
		s.found.Unknown = append(s.found.Unknown, queue...)
	}
	if !strings.HasPrefix(s.found.Libc, "glibc") {
		for name, how := range s.musl {
			if _, ok := s.found.Reachable[name]; !ok {
				s.found.Reachable[name] = how
			}
		}
	}
	slices.Sort(s.found.Unknown)
	s.found.Unknown = slices.Compact(s.found.Unknown)
	return &s.found, nil
}

type scan struct {
	root         *os.File
	architecture string
	wrappers     map[string][]wrapper
	found        Evidence
	musl         map[string]string // what is reachable if the C library is musl
	known        map[string]bool
	bases        map[string]string // libraries that were loaded, by name
}

var errNoSymbols = errors.New("linked statically")

// file reads one ELF file and returns the libraries it needs.
func (s *scan) file(p string) ([]string, error) {
	f, err := s.open(p)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	var magic [4]byte
	if _, err := f.ReadAt(magic[:], 0); err != nil || string(magic[:]) != elf.ELFMAG {
		return nil, nil // a script, or data
	}
	e, err := elf.NewFile(f)
	if err != nil {
		return nil, fmt.Errorf("reading %q: %w", p, err)
	}
	imports, err := e.ImportedSymbols()
	if err != nil || len(imports) == 0 && !isLibrary(p) {
		return nil, errors.Join(errNoSymbols, err)
	}
	if libc := libcName(e, p); libc != "" {
		s.found.Libc = libc
		return nil, nil // what it can make is all there is; what is asked of it counts
	}
	for _, i := range imports {
		s.reach(i.Name, p)
	}
	return s.needed(e, p), nil
}

// reach notes the calls that an imported function leads to.
func (s *scan) reach(symbol, p string) {
	calls, musl := callsOf(s.wrappers, symbol)
	s.note(s.found.Reachable, calls, symbol, p)
	s.note(s.musl, musl, symbol, p)
}

func (s *scan) note(reachable map[string]string, calls []string, symbol, p string) {
	for _, forms := range calls {
		name, ok := s.firstForm(forms)
		if !ok {
			continue
		}
		how := fmt.Sprintf("%s imported by %s", symbol, p)
		// The first in order, so that the answer does not depend on it.
		if old, ok := reachable[name]; !ok || how < old {
			reachable[name] = how
		}
	}
}

// firstForm returns the first of the calls in "mkdir|mkdirat" that the
// architecture has.
func (s *scan) firstForm(forms string) (string, bool) {
	for name := range strings.SplitSeq(forms, "|") {
		if _, ok := manifest.LookupSyscall(s.architecture, name); ok {
			return name, true
		}
	}
	return "", false
}

// open opens a regular file inside the tree, whatever links say.
func (s *scan) open(p string) (*os.File, error) {
	handle, err := pathrs.OpenatInRoot(s.root, p)
	if err != nil {
		return nil, fmt.Errorf("opening %q in the image: %w", p, err)
	}
	defer handle.Close()
	info, err := handle.Stat()
	if err != nil {
		return nil, fmt.Errorf("opening %q in the image: %w", p, err)
	}
	if !info.Mode().IsRegular() || info.Size() > maxFileSize {
		return nil, fmt.Errorf("opening %q in the image: not a regular file of at most %d bytes", p, maxFileSize)
	}
	f, err := pathrs.Reopen(handle, os.O_RDONLY)
	if err != nil {
		return nil, fmt.Errorf("opening %q in the image: %w", p, err)
	}
	return f, nil
}

// needed returns the paths of the libraries that the dynamic loader would
// find. One that is not found is only unknown if it is loaded after all.
func (s *scan) needed(e *elf.File, p string) []string {
	names, err := e.ImportedLibraries()
	if err != nil {
		return nil
	}
	folders := searchPath(e, p, s.architecture)
	var found []string
	for _, name := range names {
		if loaded, ok := s.bases[name]; ok {
			found = append(found, loaded)
			continue
		}
		for _, folder := range folders {
			candidate := path.Join(folder, path.Base(name))
			if f, err := s.open(candidate); err == nil {
				f.Close()
				found = append(found, candidate)
				break
			}
		}
	}
	return found
}

// searchPath returns the folders that the loader looks in (ld.so(8)): the
// file's own, then those of Debian's, Fedora's and Alpine's loaders.
func searchPath(e *elf.File, p, architecture string) []string {
	var folders []string
	for _, tag := range []elf.DynTag{elf.DT_RPATH, elf.DT_RUNPATH} {
		lists, err := e.DynString(tag)
		if err != nil {
			continue
		}
		for _, list := range lists {
			for folder := range strings.SplitSeq(list, ":") {
				folder = strings.NewReplacer("$ORIGIN", path.Dir(p), "${ORIGIN}", path.Dir(p)).Replace(folder)
				if path.IsAbs(folder) {
					folders = append(folders, path.Clean(folder))
				}
			}
		}
	}
	triplet := map[string]string{"amd64": "x86_64-linux-gnu", "arm64": "aarch64-linux-gnu"}[architecture]
	return append(folders,
		"/usr/local/lib", "/lib/"+triplet, "/usr/lib/"+triplet,
		"/lib64", "/usr/lib64", "/lib", "/usr/lib")
}

func isLibrary(p string) bool { return strings.Contains(path.Base(p), ".so") }
