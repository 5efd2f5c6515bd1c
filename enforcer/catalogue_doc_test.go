package enforcer_test

import (
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"testing"

	"github.com/least-privilege/lpm/manifest"
)

var update = flag.Bool("update", false, "write docs/attacks.md anew")

// TestCatalogueDocument: the list that people read is the list that is tried.
func TestCatalogueDocument(t *testing.T) {
	file := filepath.Join("..", "docs", "attacks.md")
	got := document(catalogue()) + privateDocument(privateAttacks(t))
	if *update {
		if err := os.WriteFile(file, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if runtime.GOARCH == "amd64" && got != string(want) {
		t.Errorf("%s is not the list of package enforcer's tests; run them with -update", file)
	}
}

// document is the catalogue as a table.
func document(all []attack) string {
	var b strings.Builder
	fmt.Fprintf(&b, `# Attacks

What a container might try to get past its manifest: %d small programs of
`+"`testdata/images/attacks`"+`, each run under a manifest that grants nearly every
ordinary call but not the thing itself. Every one is refused there. That the
attempt is a real one is shown

- under a manifest that grants it, by the permissions that the list names: it
  succeeds;
- or without lpm, as a process of the caller or as root of bare namespaces: it
  succeeds, or meets the refusal of the kernel itself;
- or by the test, which looks for its effect on the host.

What a kernel or a host has not, the tests say (`+"`go test -v`"+`). The list is made
by `+"`go test ./enforcer -run TestCatalogueDocument -update`"+`;
`+"`enforcer/attack_test.go` and `enforcer/landlock_test.go`"+` have some forty more
that a Python program makes, `+"`enforcer/hostile_image_test.go` and `registry/unpack`"+`
images that are hostile themselves, `+"`cmd/hostile_kernel_test.go`"+` names that lpm
prints.

| attack | tries | source | granted by | without lpm |
|---|---|---|---|---|
`, len(all))
	all = slices.Clone(all)
	slices.SortFunc(all, func(x, y attack) int { return strings.Compare(x.name, y.name) })
	cell := strings.NewReplacer("|", `\|`, "\n", " ")
	for _, a := range all {
		fmt.Fprintf(&b, "| `%s` | %s | %s | %s | %s |\n", a.name, cell.Replace(a.tries), cell.Replace(a.source), a.grantedBy(), a.withoutLPM())
	}
	return b.String()
}

// grantedBy names the permissions under which an attack succeeds.
func (a attack) grantedBy() string {
	if a.never != "" {
		return "nothing: " + a.never
	}
	if a.grant == nil {
		return "nothing"
	}
	var list []string
	for _, p := range manifest.Covers(a.manifest(a.base), a.manifest(a.base, a.grant)) {
		// A folder that a test makes has no name yet, and a port that it
		// chooses no number.
		id := strings.TrimSuffix(p.ID, ":")
		if port, ok := strings.CutSuffix(id, "/0"); ok {
			id = port + "/PORT"
		}
		list = append(list, "`"+id+"`")
	}
	if len(list) == 0 {
		return "a port that the test chooses"
	}
	return strings.Join(list, " ")
}

// withoutLPM says what an attack meets that nothing but the kernel confines.
func (a attack) withoutLPM() string {
	switch want := a.plain + a.bare; want {
	case "":
		return ""
	case "SUCCEEDED":
		return "succeeds"
	default:
		return want
	}
}
