package cmd

import (
	"io"
	"os"
	"strings"
	"testing"

	"github.com/least-privilege/lpm/cmd/render"
	"github.com/least-privilege/lpm/schema"
)

// sample returns the indented block of a document that begins with line.
func sample(t *testing.T, file, line string) string {
	t.Helper()
	data, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	const indent = "    "
	_, rest, ok := strings.Cut(string(data), "\n"+indent+line+"\n")
	if !ok {
		t.Fatalf("%s has no sample that begins with %q", file, line)
	}
	text := line + "\n"
	for l := range strings.Lines(rest) {
		if !strings.HasPrefix(l, indent) {
			break
		}
		text += l
	}
	return text
}

// fenced returns the code of a document whose fence says this.
func fenced(t *testing.T, file, info string) string {
	t.Helper()
	data, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	_, rest, _ := strings.Cut(string(data), "\n```"+info+"\n")
	text, _, ok := strings.Cut(rest, "\n```\n")
	if !ok {
		t.Fatalf("%s has no code that is %q", file, info)
	}
	return text
}

func TestSamplesOfTheDocuments(t *testing.T) {
	m, err := schema.Decode("manifest.cue", []byte(sample(t, "../docs/manifest.md", "version: 1")))
	if err != nil {
		t.Fatal(err)
	}
	network := "version: 1\nsyscalls: {architecture: \"amd64\", kernel: \"6.18\"}\n" + sample(t, "../docs/networking.md", "network: {")
	if _, err := schema.Decode("network.cue", []byte(network)); err != nil {
		t.Fatal(err)
	}
	if _, err := schema.DecodeTrust("team.cue", []byte(fenced(t, "../docs/guide-admin.md", "cue team.cue"))); err != nil {
		t.Fatal(err)
	}
	if _, err := schema.Check([]byte(sample(t, "../docs/policy.md", "version: 1")), "policy.cue", m); err != nil {
		t.Fatal(err)
	}
}

func TestReadmeKnowsEveryVerb(t *testing.T) {
	readme, err := os.ReadFile("../README.md")
	if err != nil {
		t.Fatal(err)
	}
	for _, verb := range newRoot(&session{term: &render.Terminal{Out: io.Discard, Err: io.Discard}}).Commands() {
		if !verb.Hidden && !strings.Contains(string(readme), "lpm "+verb.Name()) {
			t.Errorf("README.md does not mention lpm %s", verb.Name())
		}
	}
}
