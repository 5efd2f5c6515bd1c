package cmd

import (
	"errors"
	"go/ast"
	"go/parser"
	"go/token"
	"io"
	"io/fs"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/spf13/cobra"

	"github.com/least-privilege/lpm/cmd/manual"
	"github.com/least-privilege/lpm/cmd/render"
)

// testRoot is the command line with nowhere to print.
func testRoot() *cobra.Command {
	return newRoot(&session{term: &render.Terminal{Out: io.Discard, Err: io.Discard}})
}

// TestManualKnowsTheCodes holds what the pages say against what report does.
func TestManualKnowsTheCodes(t *testing.T) {
	for _, verb := range testRoot().Commands() {
		codes := exitCodes(verb.Name())
		for _, err := range []error{errors.New("any"), &usageError{err: errors.New("usage")}, render.ErrNoTerminal} {
			want := strconv.Itoa(code(verb, nil, err))
			if !slices.ContainsFunc(codes, func(e manual.Entry) bool { return e.Name == want }) {
				t.Errorf("lpm %s exits with %s for %q, and its page does not say so", verb.Name(), want, err)
			}
		}
	}
}

// readByLibraries are the variables that lpm documents and does not read
// itself, with what reads them.
func readByLibraries() map[string]string {
	return map[string]string{
		"DOCKER_CONFIG": "go-containerregistry/pkg/authn", "REGISTRY_AUTH_FILE": "go-containerregistry/pkg/authn",
		"HOME": "os.UserHomeDir", "XDG_CONFIG_HOME": "os.UserConfigDir",
		"HTTP_PROXY": "net/http", "HTTPS_PROXY": "net/http", "NO_PROXY": "net/http",
		"SSL_CERT_DIR": "crypto/x509", "SSL_CERT_FILE": "crypto/x509",
	}
}

func TestManualKnowsTheVariables(t *testing.T) {
	read := variablesRead(t)
	if len(read) < 5 {
		t.Fatalf("found only %q", read)
	}
	var documented []string
	for _, v := range environment() {
		documented = append(documented, v.Name)
		if readByLibraries()[v.Name] == "" && !slices.Contains(read, v.Name) {
			t.Errorf("%s is documented, and nothing reads it", v.Name)
		}
		for _, name := range v.verbs {
			if verb, _, err := testRoot().Find([]string{name}); err != nil || verb.Name() != name {
				t.Errorf("%s is documented for %s, which is no verb", v.Name, name)
			}
		}
	}
	for _, name := range read {
		// LPM_ATTEMPT is between lpm's own programs.
		if name != "LPM_ATTEMPT" && !slices.Contains(documented, name) {
			t.Errorf("%s is read, and no page says so", name)
		}
	}
	if !slices.IsSorted(documented) {
		t.Errorf("not in order: %q", documented)
	}
}

// variablesRead are the variables that lpm's sources name when they read one,
// by a literal or by a constant of the same package.
func variablesRead(t *testing.T) []string {
	t.Helper()
	var names []string
	for _, top := range []string{".", "../analyzer", "../enforcer", "../manifest", "../registry", "../schema"} {
		err := filepath.WalkDir(top, func(path string, d fs.DirEntry, err error) error {
			if err != nil || !d.IsDir() {
				return err
			}
			read, err := variablesOf(path)
			names = append(names, read...)
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	slices.Sort(names)
	return slices.Compact(names)
}

// variablesOf are those that one package reads.
func variablesOf(folder string) (names []string, err error) {
	sources, err := filepath.Glob(filepath.Join(folder, "*.go"))
	if err != nil {
		return nil, err
	}
	constants, read := map[string]ast.Expr{}, []ast.Expr(nil)
	for _, source := range sources {
		file, err := parser.ParseFile(token.NewFileSet(), source, nil, 0)
		if err != nil {
			return nil, err
		}
		if strings.HasSuffix(source, "_test.go") || importsTesting(file) {
			continue
		}
		ast.Inspect(file, func(n ast.Node) bool {
			if spec, ok := n.(*ast.ValueSpec); ok && len(spec.Values) == len(spec.Names) {
				for i, name := range spec.Names {
					constants[name.Name] = spec.Values[i]
				}
			}
			if argument, ok := variableRead(n); ok {
				read = append(read, argument)
			}
			return true
		})
	}
	for _, e := range read {
		if name, ok := e.(*ast.Ident); ok {
			e = constants[name.Name]
		}
		if literal, ok := e.(*ast.BasicLit); ok {
			name, err := strconv.Unquote(literal.Value)
			if err != nil {
				return nil, err
			}
			names = append(names, name)
		}
	}
	return names, nil
}

func importsTesting(file *ast.File) bool {
	return slices.ContainsFunc(file.Imports, func(i *ast.ImportSpec) bool { return i.Path.Value == `"testing"` })
}

// variableRead returns the argument of os.Getenv and os.LookupEnv.
func variableRead(n ast.Node) (ast.Expr, bool) {
	call, ok := n.(*ast.CallExpr)
	if !ok || len(call.Args) != 1 {
		return nil, false
	}
	function, ok := call.Fun.(*ast.SelectorExpr)
	if !ok || function.Sel.Name != "Getenv" && function.Sel.Name != "LookupEnv" {
		return nil, false
	}
	return call.Args[0], true
}
