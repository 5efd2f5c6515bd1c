package main

import (
	"go/parser"
	"go/token"
	"io/fs"
	"maps"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
)

const module = "github.com/least-privilege/lpm"

// TestArrows holds the packages to the direction in which they may depend on
// each other: see the picture in README.md. A rule speaks of a package and of
// all packages of this module that it needs.
func TestArrows(t *testing.T) {
	imports := sources(t)
	pure := []string{"os/exec", "net/http", "net", "golang.org/x/sys/...", "syscall", "C", "cuelang.org/go/...", "github.com/spf13/cobra/..."}
	light := []string{"C", "net/http/...", "cuelang.org/go/...", "github.com/spf13/cobra/...", "github.com/seccomp/...", "github.com/google/go-containerregistry/...", "google.golang.org/protobuf/...", "github.com/cilium/ebpf/...", "charm.land/...", "github.com/charmbracelet/...", "crypto/x509"}
	rules := []struct {
		of  string // a package or, with "/...", a tree of packages
		not []string
		why string
	}{
		{"manifest", pure, "a manifest is data"},
		{"manifest/vulnerabilities", pure, "a table is data"},
		{"manifest/peers", pure, "a manifest in other words is data"},
		{"enforcer/plan", pure, "a plan is computed without touching anything"},
		{"enforcer/filter/bpf", pure, "a filter's verdict is computed without the kernel"},
		{"analyzer/evidence", pure, "a record is data"},
		{"enforcer/network/policy", pure, "what leaves a network is decided without touching it"},
		{"enforcer/network/resolver", light, "it stays as long as the container"},
		{"cmd/front", light, "every launch pays for what is linked"},
		{"cmd/lpm", light, "every launch pays for what is linked"},
		{"enforcer/prepared", light, "every launch pays for what is linked"},
		{"cmd/report", light, "every launch pays for what is linked"},
		{"enforcer/container", light, "every launch pays for what is linked"},
		{"enforcer/launch", light, "every launch pays for what is linked"},
		{"enforcer/supervise", light, "the supervisor stays as long as the container"},
		{"enforcer/cgroup/...", light, "every launch pays for what is linked"},
		{"enforcer/limit", light, "every launch pays for what is linked"},
		{"cmd/lpm", []string{module + "/manifest/vulnerabilities", module + "/manifest/peers"}, "every launch pays for what is linked"},
		{"enforcer/...", []string{module + "/manifest/vulnerabilities", module + "/registry/...", module + "/analyzer/...", module + "/cmd/...", module + "/schema/..."}, "enforcement needs to know no origin"},
		{"registry/...", []string{module + "/enforcer/...", module + "/analyzer/...", module + "/cmd/..."}, "storage needs to know no use"},
		{"schema", []string{module + "/enforcer/...", module + "/analyzer/...", module + "/registry/...", module + "/cmd/..."}, "the schema defines the manifest alone"},
		{"analyzer/...", []string{module + "/cmd/..."}, "the command line is on top"},
	}
	for _, r := range rules {
		t.Run(r.of, func(t *testing.T) {
			found := false
			for pkg := range imports {
				if !matches(pkg, r.of) {
					continue
				}
				found = true
				for needed, by := range closure(imports, pkg) {
					if slices.ContainsFunc(r.not, func(n string) bool { return matches(needed, n) }) {
						t.Errorf("%s imports %s (by %s): %s", pkg, needed, by, r.why)
					}
				}
			}
			if !found {
				t.Errorf("no package %s", r.of)
			}
		})
	}
}

// TestOneUser: what is a matter of one package is imported by that one alone.
func TestOneUser(t *testing.T) {
	imports := sources(t)
	for needed, only := range map[string]string{
		"github.com/seccomp/libseccomp-golang": "enforcer/filter",
		"github.com/spf13/cobra":               "cmd/...",
		"github.com/opencontainers/umoci":      "registry/unpack",
		"cuelang.org/go":                       "schema",
		"github.com/godbus/dbus":               "enforcer/cgroup/scope",
		"github.com/cilium/ebpf":               "analyzer/trace",
		"charm.land/bubbletea":                 "cmd/reviewscreen",
		"github.com/charmbracelet/x":           "cmd/reviewscreen",
	} {
		for pkg, list := range imports {
			for _, i := range list {
				if matches(i, needed+"/...") && !matches(pkg, only) {
					t.Errorf("%s imports %s, which is the matter of %s", pkg, i, only)
				}
			}
		}
	}
}

// matches reports whether a path is the pattern or, where that ends in
// "/...", below it.
func matches(p, pattern string) bool {
	tree, isTree := strings.CutSuffix(pattern, "/...")
	return p == pattern || isTree && (p == tree || strings.HasPrefix(p, tree+"/"))
}

// closure returns what a package imports, directly or through packages of
// this module, and by which of them.
func closure(imports map[string][]string, pkg string) map[string]string {
	seen := map[string]string{}
	var visit func(p string)
	visit = func(p string) {
		for _, i := range imports[p] {
			if _, known := seen[i]; known {
				continue
			}
			seen[i] = p
			if own, is := strings.CutPrefix(i, module+"/"); is {
				visit(own)
			}
		}
	}
	visit(pkg)
	return seen
}

// sources returns the imports of each package of the module, tests left out.
func sources(t *testing.T) map[string][]string {
	t.Helper()
	root := filepath.Join("..", "..")
	imports := map[string][]string{}
	err := filepath.WalkDir(root, func(name string, entry fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if entry.IsDir() {
			if base := entry.Name(); name != root && (base == "testdata" || strings.HasPrefix(base, ".") || base == "bin") {
				return fs.SkipDir
			}
			return nil
		}
		if !strings.HasSuffix(name, ".go") || strings.HasSuffix(name, "_test.go") {
			return nil
		}
		file, err := parser.ParseFile(token.NewFileSet(), name, nil, parser.ImportsOnly)
		if err != nil {
			return err
		}
		rel, err := filepath.Rel(root, filepath.Dir(name))
		if err != nil {
			return err
		}
		pkg := path.Clean(filepath.ToSlash(rel))
		for _, i := range file.Imports {
			p, err := strconv.Unquote(i.Path.Value)
			if err != nil {
				return err
			}
			if !slices.Contains(imports[pkg], p) {
				imports[pkg] = append(imports[pkg], p)
			}
		}
		return nil
	})
	if err != nil || len(imports) == 0 {
		t.Fatalf("reading the sources: %v, packages %v", err, slices.Sorted(maps.Keys(imports)))
	}
	if _, err := os.Stat(filepath.Join(root, "go.mod")); err != nil {
		t.Fatal(err)
	}
	return imports
}
