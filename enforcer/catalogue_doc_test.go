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
)

var update = flag.Bool("update", false, "write docs/attacks.md anew")

// TestCatalogueDocument: the list that people read is the list that is tried.
func TestCatalogueDocument(t *testing.T) {
	file := filepath.Join("..", "docs", "attacks.md")
	got := document(catalogue())
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
attempt is a real one is shown by what the last column says:

- **granted**: under a manifest that grants it, it succeeds;
- **outside**: as a process of the caller, or as root of bare namespaces, it
  does what it is meant to, or meets the refusal of the kernel itself;
- **effect**: the test looks for its effect on the host.

The list is made by `+"`go test ./enforcer -run TestCatalogueDocument -update`"+`;
`+"`enforcer/attack_test.go` and `enforcer/landlock_test.go`"+` have some forty more
that a Python program makes.

| attack | tries | source | shown |
|---|---|---|---|
`, len(all))
	all = slices.Clone(all)
	slices.SortFunc(all, func(x, y attack) int { return strings.Compare(x.name, y.name) })
	cell := strings.NewReplacer("|", `\|`, "\n", " ")
	for _, a := range all {
		var shown []string
		if a.grant != nil && a.never == "" {
			shown = append(shown, "granted")
		}
		if a.plain != "" || a.bare != "" || a.never != "" {
			shown = append(shown, "outside")
		}
		if len(shown) == 0 {
			shown = append(shown, "effect")
		}
		fmt.Fprintf(&b, "| `%s` | %s | %s | %s |\n", a.name, cell.Replace(a.tries), cell.Replace(a.source), strings.Join(shown, ", "))
	}
	return b.String()
}
