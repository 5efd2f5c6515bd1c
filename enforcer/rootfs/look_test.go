package rootfs

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/least-privilege/lpm/enforcer/plan"
)

// image makes a tree: a name that ends in "/" is a folder, "a -> b" a link,
// "name*" an executable file.
func image(t *testing.T, files map[string]string) string {
	t.Helper()
	root := t.TempDir()
	for name, content := range files {
		name, target, link := strings.Cut(name, " -> ")
		name, executable := strings.CutSuffix(name, "*")
		at := filepath.Join(root, name)
		mode := fs.FileMode(0o644)
		if executable {
			mode = 0o755
		}
		if err := os.MkdirAll(filepath.Dir(at), 0o755); err != nil {
			t.Fatal(err)
		}
		var err error
		switch {
		case link:
			err = os.Symlink(target, at)
		case strings.HasSuffix(name, "/"):
			err = os.MkdirAll(at, 0o755)
		default:
			err = os.WriteFile(at, []byte(content), mode)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	return root
}

func look(t *testing.T, root string, change func(r *Request)) (plan.Survey, error) {
	t.Helper()
	r := Request{Tree: root, Cache: filepath.Join(t.TempDir(), "programs.json"), Program: "/prog"}
	if change != nil {
		change(&r)
	}
	return Look(t.Context(), r)
}

// TestProgram finds what is executed: by PATH, through links, through scripts.
func TestProgram(t *testing.T) {
	root := image(t, map[string]string{
		"prog*": "binary", "bin/tool*": "binary", "usr/bin/data": "text", "dir/": "",
		"link -> /bin/tool": "", "out -> ../../../../bin/tool": "", "loop -> loop": "",
		"script*": "#!/bin/tool -x -y\n", "twice*": "#! /script\nrest", "endless*": "#!/endless\n",
		"nowhere*": "#!/no/such/interpreter\n", "work/rel*": "binary",
		"first/tool": "not executable",
	})
	tests := []struct {
		name, program, path, dir string
		want                     string
		prefix                   []string
		err                      error
	}{
		{name: "absolute", program: "/prog", want: "/prog"},
		{name: "in the path", program: "tool", path: "/usr/bin:/bin", want: "/bin/tool"},
		{name: "past one that is not executable", program: "tool", path: "/first:/bin", want: "/bin/tool"},
		{name: "in the default path", program: "tool", want: "/bin/tool"},
		{name: "relative", program: "./rel", dir: "/work", want: "/work/rel"},
		{name: "a link", program: "/link", want: "/bin/tool"},
		{name: "a link that climbs out of the tree", program: "/out", want: "/bin/tool"},
		{name: "a script", program: "/script", want: "/bin/tool", prefix: []string{"/bin/tool", "-x -y", "/script"}},
		{name: "a script of a script", program: "/twice", want: "/bin/tool", prefix: []string{"/bin/tool", "-x -y", "/script", "/twice"}},
		{name: "missing", program: "/none", err: fs.ErrNotExist},
		{name: "missing in the path", program: "none", path: "/bin", err: fs.ErrNotExist},
		{name: "not executable", program: "/usr/bin/data", err: fs.ErrPermission},
		{name: "not executable in the path", program: "data", path: "/usr/bin", err: fs.ErrPermission},
		{name: "a folder", program: "/dir", err: fs.ErrPermission},
		{name: "an interpreter that is missing", program: "/nowhere", err: fs.ErrNotExist},
		{name: "scripts without end", program: "/endless", err: errAny},
		{name: "a link without end", program: "/loop", err: errAny},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			s, err := look(t, root, func(r *Request) {
				r.Program, r.Dir = test.program, test.dir
				if test.path != "" {
					r.Env = []string{"PATH=" + test.path}
				}
			})
			if test.err != nil {
				if err == nil || !errors.Is(test.err, errAny) && !errors.Is(err, test.err) {
					t.Errorf("error %v, want %v", err, test.err)
				}
				return
			}
			if named := strings.Contains(test.program, "/") && test.dir == ""; named && s.Found != test.program {
				t.Errorf("found under %q, want %q", s.Found, test.program)
			}
			if err != nil || s.Program != test.want || !slices.Equal(s.Prefix, test.prefix) {
				t.Errorf("program %q, prefix %q, error %v; want %q, %q", s.Program, s.Prefix, err, test.want, test.prefix)
			}
		})
	}
}

var errAny = errors.New("any error")

// TestUser resolves the image's user by the image's own lists. Lines that are
// none name nobody: an id that cannot be read is not root's.
func TestUser(t *testing.T) {
	root := image(t, map[string]string{
		"prog*": "binary",
		"etc/passwd": "root:x:0:0::/root:/bin/sh\nbroken line\n\nweb:x:33:34::/var/www:/bin/sh\nweb:x:35:36::/second:/bin/sh\n" +
			"short:x:40\nword:x:forty:40::/:\nempty:x:::::\nnegative:x:-5:-5::/:\nlarge:x:4294967295:40::/:\nhomeless:x:41:41",
		"etc/group": "web:x:34:\nlogs:x:50:web,1234\nbad:x:fifty:web\nbackup:x:51:root,web\n",
	})
	tests := []struct {
		spec     string
		uid, gid uint32
		groups   []uint32
		home     string
		fails    bool
	}{
		{spec: "", uid: 0, gid: 0, groups: []uint32{51}, home: "/root"},
		{spec: "web", uid: 33, gid: 34, groups: []uint32{50, 51}, home: "/var/www"},
		{spec: "web:", uid: 33, gid: 34, groups: []uint32{50, 51}, home: "/var/www"},
		{spec: "33", uid: 33, gid: 34, groups: []uint32{50, 51}, home: "/var/www"},
		{spec: "web:logs", uid: 33, gid: 50, home: "/var/www"},
		{spec: "web:77", uid: 33, gid: 77, home: "/var/www"},
		{spec: "33:logs", uid: 33, gid: 50, home: "/var/www"},
		{spec: ":logs", uid: 0, gid: 50, home: "/root"},
		{spec: "1234", uid: 1234, gid: 0, home: "/"},
		{spec: "1234:5678", uid: 1234, gid: 5678, home: "/"},
		{spec: "homeless", uid: 41, gid: 41, home: "/"},
		{spec: "nobody-here", fails: true},
		{spec: "nobody-here:logs", fails: true},
		{spec: "web:nogroup-here", fails: true},
		{spec: "web:bad", fails: true},
		{spec: "-5", fails: true},
		{spec: "2147483648", fails: true},
		{spec: "0:4294967296", fails: true},
		{spec: "short", fails: true},
		{spec: "word", fails: true},
		{spec: "empty", fails: true},
		{spec: "negative", fails: true},
		{spec: "large", fails: true},
		{spec: "web\nroot", fails: true},
	}
	for _, test := range tests {
		t.Run(test.spec, func(t *testing.T) {
			s, err := look(t, root, func(r *Request) { r.User = test.spec })
			if test.fails {
				if failed, ok := errors.AsType[*UserError](err); !ok || failed.User != test.spec || failed.Hint() == "" {
					t.Errorf("found %d:%d, error %v", s.UID, s.GID, err)
				}
				return
			}
			if err != nil || s.UID != test.uid || s.GID != test.gid || !slices.Equal(s.Groups, test.groups) || s.Home != test.home {
				t.Errorf("got %d:%d %v %q, error %v", s.UID, s.GID, s.Groups, s.Home, err)
			}
		})
	}
}

// TestHostileLists: lists of users that are no files, and what may be cut in
// the middle of a line, are refused at once.
func TestHostileLists(t *testing.T) {
	for name, make := range map[string]func(at string) error{
		"a fifo":             func(at string) error { return unix.Mkfifo(at, 0o644) },
		"a folder":           func(at string) error { return os.Mkdir(at, 0o755) },
		"a link to a device": func(at string) error { return os.Symlink("/dev/zero", at) },
		"a magic link":       func(at string) error { return os.Symlink("/proc/self/environ", at) },
		"a loop":             func(at string) error { return os.Symlink("passwd", at) },
		"a large file": func(at string) error {
			return os.WriteFile(at, []byte("web:x:33:33::/:\n"+strings.Repeat("#\n", maxAccounts/2)), 0o644)
		},
	} {
		for _, list := range []string{"etc/passwd", "etc/group"} {
			t.Run(name+" at "+list, func(t *testing.T) {
				root := image(t, map[string]string{"prog*": "binary", "etc/": ""})
				if err := make(filepath.Join(root, list)); err != nil {
					t.Fatal(err)
				}
				s, err := look(t, root, func(r *Request) { r.User = "web" })
				if err == nil {
					t.Errorf("found %d:%d", s.UID, s.GID)
				}
			})
		}
	}
}

// TestListsOfTheHost: links out of the tree lead back into it.
func TestListsOfTheHost(t *testing.T) {
	root := image(t, map[string]string{
		"prog*": "binary", "etc/passwd -> ../../../../../../../../etc/users": "", "etc/users": "web:x:33:33::/:\n",
		"etc/group -> /etc/groups": "",
	})
	s, err := look(t, root, func(r *Request) { r.User = "web" })
	if err != nil || s.UID != 33 {
		t.Errorf("uid %d, error %v", s.UID, err)
	}
	if _, err := look(t, root, func(r *Request) { r.User = "daemon" }); err == nil {
		t.Error("a user of the host was found in the image")
	}
}

// TestExecutables tells programs from what only looks like them.
func TestExecutables(t *testing.T) {
	self, err := os.ReadFile("/proc/self/exe")
	if err != nil {
		t.Fatal(err)
	}
	// Neither the kernel nor the loader looks at section headers.
	sections := slices.Clone(self)
	for i := 40; i < 48; i++ {
		sections[i] = 0x7f
	}
	root := image(t, map[string]string{
		"prog*": string(self), "unmarked": string(self), "sections*": string(sections), "script*": "#!/prog\n", "module.py": "#!/prog\n",
		"data*": "text", "broken*": "\x7fELF and nothing more", "link -> prog": "",
	})
	s, err := look(t, root, nil)
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, e := range s.Executables {
		entry := e.Path
		if e.Script {
			entry += " script of " + e.Needs
		}
		if e.Library {
			entry += " library"
		}
		got = append(got, entry)
	}
	// What only begins like ELF is hidden like a program: who knows how a
	// loader reads it.
	want := []string{"/broken", "/prog", "/script script of /prog", "/sections", "/unmarked"}
	if !slices.Equal(got, want) {
		t.Errorf("got %q, want %q", got, want)
	}
}

// TestProgramName: a program that can neither be granted nor hidden, for its
// name cannot be said, is an error and not passed over.
func TestProgramName(t *testing.T) {
	self, err := os.ReadFile("/proc/self/exe")
	if err != nil {
		t.Fatal(err)
	}
	root := image(t, map[string]string{"prog*": string(self), "pro\xff": string(self)})
	if _, err := look(t, root, nil); err == nil || !strings.Contains(err.Error(), "UTF-8") {
		t.Errorf("error %v, want one about UTF-8", err)
	}
	root = image(t, map[string]string{"prog -> pro\xff": "", "pro\xff*": "#!/prog\n"})
	if _, err := look(t, root, nil); err == nil || !strings.Contains(err.Error(), "UTF-8") {
		t.Errorf("a link: error %v, want one about UTF-8", err)
	}
}

// TestCache: the second look reads what the first has kept, and a file that
// is not what it should be is made anew.
func TestCache(t *testing.T) {
	root := image(t, map[string]string{"prog*": "#!/other\n", "other*": "binary"})
	cache := filepath.Join(t.TempDir(), "programs.json")
	request := func(r *Request) { r.Cache = cache }
	first, err := look(t, root, request)
	if err != nil || len(first.Executables) != 1 {
		t.Fatalf("executables %v, error %v", first.Executables, err)
	}
	if err := os.WriteFile(cache, []byte(`[{"path":"/kept"}]`), 0o600); err != nil {
		t.Fatal(err)
	}
	second, err := look(t, root, request)
	if err != nil || len(second.Executables) != 1 || second.Executables[0].Path != "/kept" {
		t.Errorf("executables %v, error %v", second.Executables, err)
	}
	if err := os.WriteFile(cache, []byte("damaged"), 0o600); err != nil {
		t.Fatal(err)
	}
	third, err := look(t, root, request)
	if err != nil || !slices.Equal(third.Executables, first.Executables) {
		t.Errorf("executables %v, error %v", third.Executables, err)
	}
}

// TestPaths describes paths, inside the tree whatever their links say.
func TestPaths(t *testing.T) {
	root := image(t, map[string]string{
		"prog*": "x", "full/file": "x", "empty/": "", "file": "x",
		"in -> full": "", "up -> ../../../..": "", "abs -> /empty": "",
	})
	paths := []string{"/full", "/empty", "/file", "/in/file", "/up/full", "/abs", "/none/at/all", "/file/below"}
	s, err := look(t, root, func(r *Request) { r.Paths = paths })
	if err != nil {
		t.Fatal(err)
	}
	for p, want := range map[string]plan.PathFact{
		"/full":        {Real: "/full", Exists: true, Dir: true},
		"/empty":       {Real: "/empty", Exists: true, Dir: true, Empty: true},
		"/file":        {Real: "/file", Exists: true},
		"/in/file":     {Real: "/full/file", Exists: true},
		"/up/full":     {Real: "/full", Exists: true, Dir: true},
		"/abs":         {Real: "/empty", Exists: true, Dir: true, Empty: true},
		"/none/at/all": {Real: "/none/at/all"},
		"/file/below":  {Real: "/file/below"},
	} {
		got := s.Paths[p]
		got.Mode, got.UID, got.GID = 0, 0, 0
		if got != want {
			t.Errorf("%s: got %+v, want %+v", p, got, want)
		}
	}
}

// FuzzShebang: whatever a file begins with, the interpreter is what the first
// line says and nothing of the next.
func FuzzShebang(f *testing.F) {
	for _, seed := range []string{"#!/bin/sh\n", "#! /usr/bin/env python3\nx", "#!", "#!\n", "#!\t /a\tb c \n", "text"} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, head []byte) {
		interpreter, arg := parseShebang(head)
		if strings.ContainsAny(interpreter, " \t\n") || strings.Contains(arg, "\n") || interpreter == "" && arg != "" {
			t.Errorf("%q gives %q and %q", head, interpreter, arg)
		}
		if interpreter != "" && !strings.HasPrefix(string(head), "#!") {
			t.Errorf("%q is no script", head)
		}
	})
}
