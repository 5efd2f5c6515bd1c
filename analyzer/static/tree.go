package static

import (
	"debug/elf"
	"fmt"
	"io"
	"os"
	"path"
	"runtime"
	"slices"
	"strings"
	"sync"
	"syscall"

	"github.com/cyphar/filepath-securejoin/pathrs-lite"
)

// maxFileSize is how large a file may be that is looked at.
const maxFileSize = 1 << 30

// tree is an image's files, as far as they are looked at.
type tree struct {
	root         *os.File
	architecture string
	cache        cache
	modules      map[identity]*module
	paths        map[string]*module // what a path leads to, also nil
	unknown      []string
}

// identity tells files apart, whatever links lead to them.
type identity struct{ device, inode uint64 }

// module is one ELF file of the tree.
type module struct {
	path   string
	file   *file
	needed []*module
}

// load reads the files with the given paths, and those that they need.
func (t *tree) load(paths []string) {
	bases := map[string]string{}
	for _, p := range paths {
		if strings.Contains(path.Base(p), ".so") {
			bases[path.Base(p)] = p
		}
	}
	wave := t.read(paths)
	for len(wave) > 0 && len(t.modules) < maxFiles {
		var more []string
		for _, m := range wave {
			more = append(more, t.candidates(m, bases)...)
		}
		wave = t.read(more)
	}
	for _, m := range t.modules {
		for _, p := range t.candidates(m, bases) {
			if needed := t.paths[p]; needed != nil && !slices.Contains(m.needed, needed) {
				m.needed = append(m.needed, needed)
			}
		}
	}
}

// read reads files, several at a time, and returns the new ones.
func (t *tree) read(paths []string) []*module {
	type result struct {
		id   identity
		m    *module
		fail error
	}
	var fresh []string
	for _, p := range paths {
		if _, known := t.paths[p]; !known {
			t.paths[p] = nil
			fresh = append(fresh, p)
		}
	}
	if left := maxFiles - len(t.modules); len(fresh) > left {
		t.unknown = append(t.unknown, fresh[left:]...)
		fresh = fresh[:left]
	}
	results := make([]result, len(fresh))
	// Memory is bounded by what two files take.
	slots := make(chan struct{}, min(2, runtime.GOMAXPROCS(0)))
	var group sync.WaitGroup
	for i, p := range fresh {
		slots <- struct{}{}
		group.Go(func() {
			r := &results[i]
			r.id, r.m, r.fail = t.open(p)
			<-slots
		})
	}
	group.Wait()
	var added []*module
	for i, r := range results {
		switch {
		case r.fail != nil:
			t.unknown = append(t.unknown, fresh[i])
		case r.m == nil:
		case t.modules[r.id] != nil:
			t.paths[fresh[i]] = t.modules[r.id]
		default:
			t.modules[r.id], t.paths[fresh[i]] = r.m, r.m
			added = append(added, r.m)
		}
	}
	return added
}

// open reads one file; nil is one that is no ELF file.
func (t *tree) open(p string) (identity, *module, error) {
	f, info, err := t.regular(p)
	if err != nil {
		return identity{}, nil, err
	}
	defer f.Close()
	var magic [4]byte
	if _, err := f.ReadAt(magic[:], 0); err != nil || string(magic[:]) != elf.ELFMAG {
		return identity{}, nil, nil // a script, or data
	}
	id := identity{}
	if st, ok := info.Sys().(*syscall.Stat_t); ok {
		id = identity{st.Dev, st.Ino}
	}
	// The digest is of the very bytes that are looked at: the image's files
	// do not change while it is held.
	content, err := t.cache.file(io.NewSectionReader(f, 0, info.Size()))
	if err != nil {
		return id, nil, fmt.Errorf("reading %q: %w", p, err)
	}
	if content.Architecture != t.architecture {
		return id, nil, fmt.Errorf("reading %q: code for %s", p, content.Architecture)
	}
	return id, &module{path: p, file: content}, nil
}

// regular opens a regular file inside the tree, whatever links say.
func (t *tree) regular(p string) (*os.File, os.FileInfo, error) {
	handle, err := pathrs.OpenatInRoot(t.root, p)
	if err != nil {
		return nil, nil, fmt.Errorf("opening %q in the image: %w", p, err)
	}
	defer handle.Close()
	info, err := handle.Stat()
	if err != nil {
		return nil, nil, fmt.Errorf("opening %q in the image: %w", p, err)
	}
	if !info.Mode().IsRegular() || info.Size() > maxFileSize {
		return nil, nil, fmt.Errorf("opening %q in the image: not a regular file of at most %d bytes", p, maxFileSize)
	}
	f, err := pathrs.Reopen(handle, os.O_RDONLY)
	if err != nil {
		return nil, nil, fmt.Errorf("opening %q in the image: %w", p, err)
	}
	return f, info, nil
}

// candidates returns the paths of the loader and the libraries that a module
// needs, as the loader would find them. One that is not found is missed by
// who imports from it.
func (t *tree) candidates(m *module, bases map[string]string) []string {
	var found []string
	if m.file.Interpreter != "" && !isLibrary(m.path, m.file) {
		found = append(found, m.file.Interpreter)
	}
	folders := t.searchPath(m)
	for _, name := range m.file.Needed {
		if loaded, ok := bases[name]; ok {
			found = append(found, loaded)
			continue
		}
		for _, folder := range folders {
			candidate := path.Join(folder, path.Base(name))
			if t.exists(candidate) {
				found = append(found, candidate)
				break
			}
		}
	}
	return found
}

func (t *tree) exists(p string) bool {
	if m, known := t.paths[p]; known {
		return m != nil
	}
	f, _, err := t.regular(p)
	if err != nil {
		return false
	}
	f.Close()
	return true
}

// searchPath returns the folders that the loader looks in (ld.so(8)): the
// file's own, then those of Debian's, Fedora's and Alpine's loaders.
func (t *tree) searchPath(m *module) []string {
	var folders []string
	for _, list := range m.file.Paths {
		for folder := range strings.SplitSeq(list, ":") {
			folder = strings.NewReplacer("$ORIGIN", path.Dir(m.path), "${ORIGIN}", path.Dir(m.path)).Replace(folder)
			if path.IsAbs(folder) {
				folders = append(folders, path.Clean(folder))
			}
		}
	}
	triplet := map[string]string{"amd64": "x86_64-linux-gnu", "arm64": "aarch64-linux-gnu"}[t.architecture]
	return append(folders,
		"/usr/local/lib", "/lib/"+triplet, "/usr/lib/"+triplet,
		"/lib64", "/usr/lib64", "/lib", "/usr/lib")
}
