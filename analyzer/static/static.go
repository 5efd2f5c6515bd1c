package static

import (
	"fmt"
	"os"
	"path"
	"slices"
	"strings"

	"github.com/least-privilege/lpm/manifest"
)

// Evidence is what the code of some programs can do.
type Evidence struct {
	// Reachable has the system calls that the code can make, by name, each
	// with how: "nginx → rename (libc.so.6)".
	Reachable map[string]string
	// Asked are those of them that a program asks for, or a module that it
	// opened: its own file makes the call, or imports a function that is
	// hardly more than the call. The others come with what larger functions
	// do, and with what libraries do for other programs too.
	Asked map[string]bool
	// Unknown are programs whose calls cannot be told, for they could not be
	// read.
	Unknown []string
	// Sites are places that make system calls whose number cannot be told.
	// While there are any, a call that is not in Reachable may be made all
	// the same.
	Sites []FileSite
	// Libc is the C library, such as "glibc 2.36" or "musl", or empty.
	Libc string
}

// FileSite is a site and the file that it is in.
type FileSite struct {
	Path string
	Site
}

func (s FileSite) String() string {
	at := fmt.Sprintf("%s at %#x", s.Path, s.Address)
	if s.Symbol != "" {
		at += " (" + s.Symbol + ")"
	}
	return at
}

// maxFiles bounds one scan. Images are hostile.
const maxFiles = 2048

// Scan reads the programs and libraries with the given paths inside the image
// tree at root, and the libraries they need. Paths that hold no ELF file, such
// as scripts, say nothing. What is found in a file is kept in the folder
// cache, by the file's digest; "" keeps nothing. The error is of the tree
// itself; a program that cannot be read is unknown.
func Scan(root, architecture string, paths []string, cache string) (*Evidence, error) {
	if manifest.SyscallTable(architecture) == nil {
		return nil, fmt.Errorf("looking at the image's code: unknown architecture %q", architecture)
	}
	dir, err := os.OpenFile(root, os.O_RDONLY, 0)
	if err != nil {
		return nil, fmt.Errorf("looking at the image's code: %w", err)
	}
	defer dir.Close()
	t := &tree{root: dir, architecture: architecture, cache: newCache(cache), modules: map[identity]*module{}, paths: map[string]*module{}}
	t.load(paths)
	l := &linker{tree: t, found: Evidence{Reachable: map[string]string{}, Asked: map[string]bool{}}, asked: map[int]bool{}, best: map[int]way{}}
	l.units(paths)
	l.found.Unknown = append(l.found.Unknown, t.unknown...)
	slices.Sort(l.found.Unknown)
	l.found.Unknown = slices.Compact(l.found.Unknown)
	for number, way := range l.best {
		// A number that is in no table is not the kernel's.
		if info, ok := manifest.SyscallByNumber(architecture, number); ok {
			l.found.Reachable[info.Name] = way.text
			if l.asked[number] {
				l.found.Asked[info.Name] = true
			}
		}
	}
	slices.SortFunc(l.found.Sites, func(a, b FileSite) int { return strings.Compare(a.String(), b.String()) })
	return &l.found, nil
}

func isLibrary(p string, f *file) bool {
	return f.Soname != "" || strings.Contains(path.Base(p), ".so")
}
