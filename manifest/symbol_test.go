package manifest

import (
	"go/ast"
	"go/build"
	"go/parser"
	"go/token"
	"path/filepath"
	"strconv"
	"testing"
)

func TestSymbol(t *testing.T) {
	for _, tt := range []struct {
		call string
		arg  int
		text string
		want uint64
		name string // what SymbolName says of the value
	}{
		{"socket", 0, "AF_INET6", 10, "AF_INET6"},
		{"socketpair", 0, "AF_UNIX", 1, "AF_UNIX"},
		{"socket", 0, "46", 46, "0x2e"},
		{"socket", 1, "SOCK_STREAM|SOCK_CLOEXEC", 0x80001, "SOCK_STREAM|SOCK_CLOEXEC"},
		{"socket", 1, "0xf", 0xf, "0xf"},
		{"ioctl", 1, "TIOCGWINSZ", 0x5413, "TIOCGWINSZ"},
		{"ioctl", 1, "0x12345678", 0x12345678, "0x12345678"},
		{"prctl", 0, "PR_SET_NAME", 15, "PR_SET_NAME"},
		{"clone", 0, "CLONE_VM|CLONE_VFORK|SIGCHLD", 0x4111, "SIGCHLD|CLONE_VM|CLONE_VFORK"},
		{"clone", 0, "0", 0, "0"},
		{"personality", 0, "0xffffffff", 0xffffffff, "0xffffffff"},
		{"personality", 0, "ADDR_NO_RANDOMIZE", 0x40000, "ADDR_NO_RANDOMIZE"},
		{"personality", 0, "0", 0, "PER_LINUX"},
		{"memfd_create", 1, "MFD_CLOEXEC|MFD_NOEXEC_SEAL", 9, "MFD_CLOEXEC|MFD_NOEXEC_SEAL"},
		{"fcntl", 1, "F_DUPFD_CLOEXEC", 1030, "F_DUPFD_CLOEXEC"},
		{"kill", 1, "9", 9, "0x9"},
	} {
		got, err := Symbol("amd64", tt.call, tt.arg, tt.text)
		if err != nil || got != tt.want {
			t.Errorf("Symbol(%s, %d, %q) = 0x%x, %v", tt.call, tt.arg, tt.text, got, err)
		}
		if name := SymbolName("amd64", tt.call, tt.arg, tt.want); name != tt.name {
			t.Errorf("SymbolName(%s, %d, 0x%x) = %q, want %q", tt.call, tt.arg, tt.want, name, tt.name)
		}
	}
	for _, tt := range []struct{ arch, call, text string }{
		{"amd64", "socket", "AF_INTE"}, {"amd64", "socket", ""}, {"amd64", "socket", "AF_INET|"}, {"amd64", "socket", "-1"},
		{"amd64", "socket", "010"}, {"amd64", "socket", "1_0"}, {"amd64", "socket", "0x+1"}, {"amd64", "socket", "0x10000000000000000"},
		{"amd64", "socket", "SOCK_STREAM"}, {"amd64", "read", "AF_INET"}, {"mips", "socket", "AF_INET"},
	} {
		if got, err := Symbol(tt.arch, tt.call, 0, tt.text); err == nil {
			t.Errorf("Symbol(%s, %s, %q) = %d, want an error", tt.arch, tt.call, tt.text, got)
		}
	}
}

func FuzzSymbolName(f *testing.F) {
	f.Add(0, uint64(2))
	f.Add(7, uint64(0xffffffff))
	f.Fuzz(func(t *testing.T, at int, value uint64) {
		d := domains[uint(at)%uint(len(domains))]
		name := SymbolName("arm64", d.call, d.arg, value)
		if got, err := Symbol("arm64", d.call, d.arg, name); err != nil || got != value {
			t.Fatalf("0x%x of %s is %q, which is 0x%x, %v", value, d.call, name, got, err)
		}
	})
}

// Every symbol has the value that golang.org/x/sys took from the headers.
func TestSymbolsAgreeWithHeaders(t *testing.T) {
	pkg, err := build.Import("golang.org/x/sys/unix", ".", build.FindOnly)
	if err != nil {
		t.Fatal(err)
	}
	values := map[string]uint64{}
	for _, name := range []string{"zerrors_linux.go", "zerrors_linux_amd64.go", "ztypes_linux.go"} {
		file, err := parser.ParseFile(token.NewFileSet(), filepath.Join(pkg.Dir, name), nil, parser.SkipObjectResolution)
		if err != nil {
			t.Fatal(err)
		}
		for node := range ast.Preorder(file) {
			spec, ok := node.(*ast.ValueSpec)
			if !ok || len(spec.Values) != 1 {
				continue
			}
			if lit, ok := spec.Values[0].(*ast.BasicLit); ok {
				if n, err := strconv.ParseUint(lit.Value, 0, 64); err == nil {
					values[spec.Names[0].Name] = n
				}
			}
		}
	}
	compared := 0
	for _, d := range domains {
		for _, s := range append(append([]symbol{}, d.enum...), d.flags...) {
			want, ok := values[s.name]
			if !ok {
				continue // not in x/sys, such as FIOCLEX
			}
			compared++
			if s.value != want {
				t.Errorf("%s is 0x%x, and 0x%x in the headers", s.name, s.value, want)
			}
		}
	}
	if compared < 180 {
		t.Errorf("only %d symbols were compared", compared)
	}
}

func TestRecordedArgs(t *testing.T) {
	for call, want := range map[string][]ArgSpec{
		"socket":       {{0, 0xffffffff}, {1, 0xf}},
		"socketpair":   {{0, 0xffffffff}, {1, 0xf}},
		"ioctl":        {{1, 0xffffffff}},
		"prctl":        {{0, 0xffffffff}},
		"personality":  {{0, 0xffffffff}},
		"memfd_create": {{1, 0xffffffff}},
		"unshare":      {{0, ^uint64(0)}},
		"clone":        {{0, 0x7e020000}},
		"fcntl":        nil,
		"read":         nil,
	} {
		got := RecordedArgs(call)
		if len(got) != len(want) {
			t.Errorf("RecordedArgs(%s) = %v", call, got)
			continue
		}
		for i := range want {
			if got[i] != want[i] {
				t.Errorf("RecordedArgs(%s) = %v, want %v", call, got, want)
			}
		}
	}
}
