package enforcer_test

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// privateAttack is one that a container with a private network tries: a line of
// testdata/images/netprobe/attacks.txt, from which the program takes its list, too.
type privateAttack struct {
	name, tries, source string
	// granted names what grants it, or begins with "nothing".
	granted string
	// without is "succeeds", or empty.
	without string
}

func privateAttacks(t *testing.T) []privateAttack {
	t.Helper()
	text, err := os.ReadFile(filepath.Join("..", "testdata", "images", "netprobe", "attacks.txt"))
	if err != nil {
		t.Fatal(err)
	}
	var all []privateAttack
	for line := range strings.Lines(string(text)) {
		if strings.HasPrefix(line, "#") {
			continue
		}
		fields := strings.Split(strings.TrimSuffix(line, "\n"), "|")
		if len(fields) != 5 {
			t.Fatalf("attacks.txt: %q has %d fields, want 5", line, len(fields))
		}
		for i := range fields {
			fields[i] = strings.TrimSpace(fields[i])
		}
		all = append(all, privateAttack{fields[0], fields[1], fields[2], fields[3], fields[4]})
	}
	return all
}

// privateDocument is the list of attacks on private networks as a table.
func privateDocument(all []privateAttack) string {
	var b strings.Builder
	fmt.Fprintf(&b, `
## Private networks

What a container with a private network might try to reach, or to have of the
machine's network, that its manifest does not grant: %d attempts of
`+"`testdata/images/netprobe`"+`, which `+"`testdata/script/network`"+` makes in a made-up
internet that notes every packet, where it matters both on the fast path and on the
plain one. Some are the same by another call. That they are real ones is shown as
above: by a manifest that grants the thing, or without lpm; and what only sends
packets, by the same packets to a destination that is granted.

| attack | tries | source | granted by | without lpm |
|---|---|---|---|---|
`, len(all))
	all = slices.Clone(all)
	slices.SortFunc(all, func(x, y privateAttack) int { return strings.Compare(x.name, y.name) })
	for _, a := range all {
		fmt.Fprintf(&b, "| `%s` | %s | %s | %s | %s |\n", a.name, a.tries, a.source, a.granted, a.without)
	}
	return b.String()
}

// attempts are the lines of scripts that run an attack, by its name.
type attempts struct{ refused, granted, sent, without map[string]bool }

func privateScripts(t *testing.T) attempts {
	t.Helper()
	files, err := filepath.Glob(filepath.Join("..", "testdata", "script", "network", "*.txtar"))
	if err != nil || len(files) == 0 {
		t.Fatalf("no scripts: %v", err)
	}
	a := attempts{map[string]bool{}, map[string]bool{}, map[string]bool{}, map[string]bool{}}
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		for line := range strings.Lines(string(text)) {
			a.add(strings.Fields(line), strings.Contains(string(text), "\n! sent $OTHER\n"))
		}
	}
	return a
}

// add notes a line. Where nothing was sent to what is not granted, a script says so.
func (a attempts) add(words []string, unsent bool) {
	if len(words) > 0 && strings.HasPrefix(words[len(words)-1], "&") {
		words = words[:len(words)-1]
	}
	if !slices.Contains(words, "attack") {
		return
	}
	name, target, lpm := words[len(words)-2], words[len(words)-1], slices.Contains(words, "lpm")
	switch fails := words[0] == "exits" || words[0] == "!"; {
	case fails && lpm:
		a.refused[name] = true
	case words[0] == "exec" && lpm:
		a.granted[name] = true
		if unsent && strings.Contains(target, "$OTHER") {
			a.sent[name] = true
		}
	case words[0] == "exec" && !lpm:
		a.without[name] = true
	}
}

// TestPrivateCatalogue: what the list says of an attack, a script shows.
func TestPrivateCatalogue(t *testing.T) {
	all, shown := privateAttacks(t), privateScripts(t)
	seen := map[string]bool{}
	for _, a := range all {
		if seen[a.name] {
			t.Errorf("%s is there twice", a.name)
		}
		seen[a.name] = true
		if a.tries == "" || a.source == "" || a.granted == "" {
			t.Errorf("%s: a field is empty", a.name)
		}
		nothing := strings.HasPrefix(a.granted, "nothing")
		switch {
		case !shown.refused[a.name] && !shown.sent[a.name]:
			t.Errorf("%s: no script has it refused", a.name)
		case !nothing && !shown.granted[a.name]:
			t.Errorf("%s: no script has it granted, by %s", a.name, a.granted)
		case a.without == "succeeds" && !shown.without[a.name]:
			t.Errorf("%s: no script has it succeed without lpm", a.name)
		case a.without != "succeeds" && shown.without[a.name]:
			t.Errorf("%s succeeds without lpm, and the list does not say so", a.name)
		case a.without != "succeeds" && a.without != "":
			t.Errorf("%s: without lpm it %q", a.name, a.without)
		case a.granted == "nothing" && a.without == "" && !shown.sent[a.name]:
			t.Errorf("%s: nothing shows that it is a real attempt", a.name)
		}
	}
	if len(all) < 60 {
		t.Errorf("there are %d", len(all))
	}
}
