package enforcer_test

import (
	"archive/tar"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"testing"

	v1 "github.com/google/go-containerregistry/pkg/v1"

	"github.com/least-privilege/lpm/enforcer/container"
	"github.com/least-privilege/lpm/enforcer/plan"
	"github.com/least-privilege/lpm/manifest"
	"github.com/least-privilege/lpm/registry/store"
	. "github.com/least-privilege/lpm/registry/unpack/imagetest"
)

// hostileLab makes images out of the static test image's program.
type hostileLab struct {
	*lab
	program string
}

func newHostileLab(t *testing.T) *hostileLab {
	t.Helper()
	l := newLab(t, "static")
	tree, err := l.store.Tree(t.Context(), l.image, store.Single)
	if err != nil {
		t.Fatal(err)
	}
	defer tree.Close()
	return &hostileLab{lab: l, program: readFile(t, filepath.Join(tree.Path, "static"))}
}

// executable is an entry with the program.
func (l *hostileLab) executable(name string) Entry {
	return File(name, l.program).With(func(h *tar.Header) { h.Mode = 0o755 })
}

// image returns a lab for an image that has the program, and the layers over
// it. What the configuration leaves out is as in the static image.
func (l *hostileLab) image(t *testing.T, config v1.Config, layers ...[]Entry) *hostileLab {
	t.Helper()
	if config.Entrypoint == nil {
		config.Entrypoint = []string{"/static"}
	}
	config.Env = append([]string{"PATH=/"}, config.Env...)
	all := []Layer{Plain(t, l.executable("static"))}
	for _, entries := range layers {
		all = append(all, Plain(t, entries...))
	}
	dir, img := t.TempDir(), NewFor(t, runtime.GOARCH, config, all...)
	img.Layout(t, dir, "hostile:"+img.Descriptor.Digest.Hex)
	images, err := l.store.Load(t.Context(), "oci:"+dir)
	if err != nil {
		t.Fatal(err)
	}
	own := *l.lab
	own.t, own.image = t, images[0]
	t.Cleanup(func() {
		if err := l.store.Remove(t.Context(), images[0].Name); err != nil {
			t.Error(err)
		}
	})
	return &hostileLab{lab: &own, program: l.program}
}

// TestHostileEntryPoint: an image cannot have lpm execute what is not one of
// its own files: by the kernel's links to programs and descriptors
// (CVE-2019-5736, CVE-2024-21626), which an image can have files in the place
// of, for a look at them to find.
func TestHostileEntryPoint(t *testing.T) {
	l := newHostileLab(t)
	var decoys []Entry
	for _, name := range []string{"proc/self/exe", "proc/1/exe", "proc/self/fd/3", "proc/self/fd/7", "dev/shm/static", "proc/self/root/static"} {
		decoys = append(decoys, Link(name, "static"))
	}
	script := func(interpreter string) []Entry {
		return []Entry{File("script", "#!"+interpreter+"\n").With(func(h *tar.Header) { h.Mode = 0o755 })}
	}
	tests := []struct {
		name, entry string
		layer       []Entry
	}{
		{"the launcher's program", "/proc/self/exe", nil},
		{"its program, with a file in its place", "/proc/self/exe", decoys},
		{"the first process's program", "/proc/1/exe", decoys},
		{"a descriptor", "/proc/self/fd/3", decoys},
		{"another descriptor", "/proc/self/fd/7", decoys},
		{"a descriptor in /dev", "/dev/fd/5", []Entry{Link("dev/fd/5", "static")}},
		{"a file that a mount covers", "/dev/shm/static", decoys},
		{"a root of the kernel's", "/proc/self/root/static", decoys},
		{"a link to the program", "/link", append([]Entry{Symlink("link", "/proc/self/exe")}, decoys...)},
		{"a link that climbs to the program", "/link", append([]Entry{Symlink("link", "../../../proc/self/exe")}, decoys...)},
		{"a script of the program's", "/script", append(script("/proc/self/exe"), decoys...)},
		{"a script of a descriptor's", "/script", append(script("/proc/self/fd/3"), decoys...)},
		{"a program of the host", "/link", []Entry{Symlink("link", "../../../../../../../../../../usr/bin/id")}},
		{"a folder", "/", nil},
		{"nothing", "", nil},
		{"a name that is cut", "/static\x00hello", nil},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			l := l.image(t, v1.Config{Entrypoint: []string{test.entry}}, test.layer)
			m := static(func(m *manifest.Manifest) { m.Execute = []manifest.Program{{Path: manifest.AnyProgram}} })
			o, err := l.try(t.Context(), plan.Enforce, m, container.Observer{}, "status")
			if err == nil {
				t.Errorf("it was executed: %s", o)
			}
			t.Log(err)
		})
	}
	// The same image can have an honest entry point.
	if o := l.image(t, v1.Config{}, decoys).run(static(nil), "echo", "fine"); o.out != "fine\n" {
		t.Errorf("what is not hostile does not run: %s", o)
	}
}

// TestHostileTargets: whatever an image has where lpm and the manifest mount
// something, nothing is mounted or made elsewhere (CVE-2019-19921,
// CVE-2021-30465, CVE-2023-27561, CVE-2025-31133): either the container does
// not start, or it has the mounts that it is to have in /proc and /dev, and the
// host is as it was.
func TestHostileTargets(t *testing.T) {
	l := newHostileLab(t)
	guarded, shared := t.TempDir(), t.TempDir()
	if err := os.WriteFile(filepath.Join(guarded, "file"), []byte("of the host\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	m := static(func(m *manifest.Manifest) {
		m.Filesystem.Writable = []manifest.WritablePath{{Path: "/tmp", Size: 1 << 20}}
		m.Mounts = []manifest.Mount{{Path: "/data", Host: shared}}
	})
	want := kernelMounts(t, l.image(t, v1.Config{}).run(m, "status"))
	if len(want) == 0 {
		t.Fatal("a container has no mounts in /proc and /dev")
	}
	climb := strings.Repeat("../", 20)
	shapes := map[string]func(name string) Entry{
		"a link to the host":     func(name string) Entry { return Symlink(name, climb+guarded) },
		"a link by the root's":   func(name string) Entry { return Symlink(name, "/proc/self/root"+guarded) },
		"a link to the root":     func(name string) Entry { return Symlink(name, "/") },
		"a link to the kernel's": func(name string) Entry { return Symlink(name, "../../proc/sys/kernel") },
		"a link to itself":       func(name string) Entry { return Symlink(name, filepath.Base(name)) },
		"a file":                 func(name string) Entry { return File(name, "x") },
		"a FIFO":                 fifo,
	}
	started := 0
	for _, target := range []string{
		"proc", "proc/kcore", "dev", "dev/null", "dev/pts", "tmp", "data", "etc", "etc/hosts",
	} {
		for name, shape := range shapes {
			t.Run(name+" at "+target, func(t *testing.T) {
				l := l.image(t, v1.Config{}, []Entry{shape(target)})
				o, err := l.try(t.Context(), plan.Enforce, m, container.Observer{}, "status")
				if err != nil {
					t.Logf("not started: %v", err)
				} else {
					started++
					if got := kernelMounts(t, o); !slices.Equal(got, want) {
						t.Errorf("mounted in /proc and /dev are\n%q, want\n%q", got, want)
					}
				}
				if got := readFile(t, filepath.Join(guarded, "file")); got != "of the host\n" {
					t.Errorf("the host's file is now %q", got)
				}
				for _, dir := range []string{guarded, shared} {
					entries, err := os.ReadDir(dir)
					if err != nil || len(entries) > 1 || dir == shared && len(entries) > 0 {
						t.Errorf("%s has %v, error %v", dir, entries, err)
					}
				}
			})
		}
	}
	if started == 0 {
		t.Error("no container started: nothing was tested")
	}
}

func fifo(name string) Entry {
	return Entry{Header: tar.Header{Typeflag: tar.TypeFifo, Name: name, Mode: 0o666}}
}

// kernelMounts lists what is mounted in /proc and /dev, with its type.
func kernelMounts(t *testing.T, status outcome) (list []string) {
	t.Helper()
	var s state
	if err := json.Unmarshal([]byte(status.out), &s); err != nil {
		t.Errorf("status: %v\n%s", err, status)
	}
	for _, m := range s.Mounts {
		if m.Path == "/proc" || m.Path == "/dev" || strings.HasPrefix(m.Path, "/proc/") || strings.HasPrefix(m.Path, "/dev/") {
			list = append(list, fmt.Sprintf("%s %s %s", m.Path, m.Type, m.Options))
		}
	}
	return list
}

// TestHostileModes: an image's program that is to run as its owner, its group
// or with capabilities does not (execve(2), NOTES), in any layer, as a hard link
// of an honest one, and where the container has a range of ids.
func TestHostileModes(t *testing.T) {
	l := newHostileLab(t)
	// struct vfs_ns_cap_data of linux/capability.h: revision 2, effective,
	// CAP_SYS_ADMIN and all below it.
	capable := "\x01\x00\x00\x02\xff\xff\xff\x00\xff\xff\xff\x00\x00\x00\x00\x00\x00\x00\x00\x00"
	powerful := l.executable("powerful").With(func(h *tar.Header) {
		h.Mode, h.Uid, h.Gid = 0o6755, 0, 0
		h.PAXRecords = map[string]string{"SCHILY.xattr.security.capability": capable}
	})
	linked := Link("linked", "static").With(func(h *tar.Header) { h.Mode = 0o6755 })
	for _, mode := range []manifest.IdentityMode{manifest.IdentitySingle, manifest.IdentityRange} {
		for _, program := range []string{"powerful", "linked"} {
			t.Run(program+", "+string(mode), func(t *testing.T) {
				config := v1.Config{Entrypoint: []string{"/" + program}, User: "1000:1000"}
				l, seen := l.image(t, config, []Entry{powerful}, []Entry{linked}), 0
				o := l.run(static(func(m *manifest.Manifest) {
					m.Identity.Mode = mode
					m.Execute = []manifest.Program{{Path: "/" + program}}
				}), "cat", "/proc/self/status")
				for line := range strings.Lines(o.out) {
					key, value, _ := strings.Cut(line, ":")
					fields := strings.Fields(value)
					switch key {
					case "Uid", "Gid":
						want := "1000"
						if mode == manifest.IdentitySingle {
							want = fields[0] // what the id is has been tested elsewhere
						}
						if !slices.Equal(fields, []string{want, want, want, want}) {
							t.Errorf("%s is %s", key, fields)
						}
					case "CapInh", "CapPrm", "CapEff", "CapBnd", "CapAmb":
						if strings.Trim(fields[0], "0") != "" {
							t.Errorf("%s is %s, want none", key, fields)
						}
						seen++
					}
				}
				if seen != 5 {
					t.Errorf("the program tells nothing of itself: %s", o)
				}
			})
		}
	}
}

// TestHostileUsers: lists of users that never end, or that are somebody else's,
// hold up no launch and name nobody.
func TestHostileUsers(t *testing.T) {
	l := newHostileLab(t)
	huge := "web:x:0:0::/:\n" + strings.Repeat("x", 8<<20)
	for _, list := range []string{"etc/passwd", "etc/group"} {
		for name, entry := range map[string]Entry{
			"a FIFO":          fifo(list),
			"a device":        {Header: tar.Header{Typeflag: tar.TypeChar, Name: list, Devmajor: 1, Devminor: 5, Mode: 0o666}},
			"a link to one":   Symlink(list, "/dev/zero"),
			"a loop":          Symlink(list, filepath.Base(list)),
			"a list of lpm's": Symlink(list, "/proc/self/environ"),
			"the host's list": Symlink(list, strings.Repeat("../", 20)+list),
			"a huge list":     File(list, huge),
			"a folder":        Dir(list),
		} {
			t.Run(name+" at "+list, func(t *testing.T) {
				user := "daemon"
				if list == "etc/group" {
					user = "0:daemon"
				}
				l := l.image(t, v1.Config{User: user}, []Entry{entry})
				if o, err := l.try(t.Context(), plan.Enforce, static(nil), container.Observer{}, "echo", "started"); err == nil {
					t.Errorf("it was started: %s", o)
				}
			})
		}
	}
}

// TestManyLinks: a hundred layers, ten thousand links and a chain of them
// neither hold up lpm nor lead it anywhere.
func TestManyLinks(t *testing.T) {
	const layers, each = 100, 100
	l := newHostileLab(t)
	chain := make([][]Entry, layers)
	for i := range chain {
		for j := range each {
			n := i*each + j
			chain[i] = append(chain[i], Symlink("link"+strconv.Itoa(n), "link"+strconv.Itoa(n+1)))
		}
		chain[i] = append(chain[i], Link("hard"+strconv.Itoa(i), "static"))
	}
	end := Symlink("link"+strconv.Itoa(layers*each), "static")
	l = l.image(t, v1.Config{}, append(chain, []Entry{end})...)
	if o := l.run(static(nil), "echo", "fine"); o.out != "fine\n" {
		t.Errorf("among many links nothing runs: %s", o)
	}
	tests := []struct {
		entry string
		fails bool
	}{
		{"/link0", true},
		{fmt.Sprintf("/link%d", layers*each-30), false}, // within the kernel's bound of 40
		{fmt.Sprintf("/hard%d", layers-1), false},
	}
	for _, test := range tests {
		l.options.Entrypoint = []string{test.entry}
		m := static(func(m *manifest.Manifest) {
			m.Execute = append(m.Execute, manifest.Program{Path: "/hard" + strconv.Itoa(layers-1)})
		})
		o, err := l.try(t.Context(), plan.Enforce, m, container.Observer{}, "echo", "fine")
		var unenforceable *plan.UnenforceableError
		if errors.As(err, &unenforceable) || (err != nil) != test.fails || err == nil && o.out != "fine\n" {
			t.Errorf("%s: error %v, %s", test.entry, err, o)
		}
	}
}
