package cmd

import (
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"unicode"

	"github.com/spf13/cobra"

	"github.com/least-privilege/lpm/cmd/manual"
)

// prose returns the documents, by name: README.md and those of docs.
func prose(t *testing.T) map[string]string {
	t.Helper()
	files, err := filepath.Glob("../docs/*.md")
	if err != nil || len(files) < 5 {
		t.Fatal(files, err)
	}
	documents := map[string]string{}
	for _, file := range append(files, "../README.md") {
		content, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		documents[file] = string(content)
	}
	return documents
}

// mention is a command that is named in a sentence.
var mention = regexp.MustCompile("`(lpm\\s[^`]+)`")

// TestMentionsOfCommands: what sentences name has to be a verb of lpm's, with
// flags that it has.
func TestMentionsOfCommands(t *testing.T) {
	found := 0
	for file, text := range prose(t) {
		for _, m := range mention.FindAllStringSubmatch(text, -1) {
			found++
			if wrong := wrongWith(strings.Fields(m[1])); wrong != "" {
				t.Errorf("%s: %s: %s", file, m[1], wrong)
			}
		}
	}
	if found < 50 {
		t.Errorf("found only %d", found)
	}
}

// wrongWith says which part of a command line lpm does not know.
func wrongWith(words []string) string {
	root := testRoot()
	root.InitDefaultCompletionCmd()
	verb, _, err := root.Find(words[1:])
	if err != nil || verb == root && !strings.HasPrefix(words[1], "-") {
		return "there is no such verb"
	}
	verb.InitDefaultHelpFlag()
	for _, word := range words[1:] {
		if word == "--" {
			break
		}
		name, long := strings.CutPrefix(word, "--")
		name, _, _ = strings.Cut(name, "=")
		switch {
		case long && verb.Flag(name) == nil:
			return "there is no flag --" + name
		case !long && len(word) > 1 && word[0] == '-' && verb.Flags().ShorthandLookup(word[1:2]) == nil && word[1] != 'q':
			return "there is no flag " + word
		}
	}
	return ""
}

// example is a command in a help text, without what is in quotes.
var example = regexp.MustCompile(`(?m)^  (?:sudo )?(lpm .*?)(?:   .*)?$`)

// flagName is a flag that a help text speaks of.
var flagName = regexp.MustCompile(`(?:^|[ (])--([a-z][a-z-]+)`)

// ofAnother is a flag that a help text gives with the verb that it is of.
var ofAnother = regexp.MustCompile(`lpm [a-z]+ --[a-z-]+`)

// TestHelpKnowsItsFlags: the examples of help texts are command lines that lpm
// knows, and flags that sentences speak of are the verb's.
func TestHelpKnowsItsFlags(t *testing.T) {
	examples := 0
	err := manual.Pages(testRoot(), func(c *cobra.Command) error {
		for _, m := range example.FindAllStringSubmatch(c.Example+"\n"+c.Long, -1) {
			examples++
			quoted := regexp.MustCompile(`'[^']*'|\$\(.*?\)`).ReplaceAllString(m[1], "X")
			if wrong := wrongWith(strings.Fields(quoted)); wrong != "" {
				t.Errorf("%s --help: %s: %s", c.CommandPath(), m[1], wrong)
			}
		}
		for line := range strings.Lines(c.Long) {
			for _, m := range flagName.FindAllStringSubmatch(ofAnother.ReplaceAllString(line, ""), -1) {
				if c.Flag(m[1]) == nil && !strings.HasPrefix(line, "  ") {
					t.Errorf("%s --help speaks of --%s, which it does not have", c.CommandPath(), m[1])
				}
			}
		}
		return nil
	})
	if err != nil || examples < 20 {
		t.Errorf("%d examples, %v", examples, err)
	}
}

// TestReadmeKnowsTheCodes holds the table of the README against the manual.
func TestReadmeKnowsTheCodes(t *testing.T) {
	for _, verb := range []string{"run", "check", "diff"} {
		_, row, ok := strings.Cut(prose(t)["../README.md"], "\n| `lpm "+verb+"` | ")
		row, _, _ = strings.Cut(row, "\n")
		var manuals []string
		for _, e := range exitCodes(verb) {
			if _, err := strconv.Atoi(e.Name); err == nil {
				manuals = append(manuals, e.Name)
			}
		}
		readmes := regexp.MustCompile(`\b[0-9]+\b`).FindAllString(strings.ReplaceAll(row, "128+n", ""), -1)
		if !ok || !slices.Equal(readmes, manuals) {
			t.Errorf("lpm %s: README.md has the codes %q, the manual %q", verb, readmes, manuals)
		}
	}
}

// TestCommandsAreRun: a command that has lines of its own is in a block that is
// run (see docs_console_test.go), and its document is among those that are.
func TestCommandsAreRun(t *testing.T) {
	runs, err := os.ReadFile("docs_run_test.go")
	if err != nil {
		t.Fatal(err)
	}
	for file, text := range prose(t) {
		fenced := false
		for line := range strings.Lines(text) {
			switch {
			case strings.HasPrefix(line, "```"):
				fenced = !fenced
				if name := strings.TrimPrefix(file, "../"); !strings.Contains(string(runs), `{file: "`+name+`"`) {
					t.Fatalf("%s has code that no test runs", file)
				}
			case !fenced && strings.HasPrefix(line, "    lpm "), !fenced && strings.HasPrefix(line, "    $ "):
				t.Errorf("%s has a command that no test runs: %s", file, line)
			}
		}
	}
}

// makeTarget is a line of README.md that names one.
var makeTarget = regexp.MustCompile(`(?m)^    make ?([a-z-]*) `)

func TestTargetsOfTheReadme(t *testing.T) {
	makefile, err := os.ReadFile("../Makefile")
	if err != nil {
		t.Fatal(err)
	}
	list := makeTarget.FindAllStringSubmatch(prose(t)["../README.md"], -1)
	if len(list) < 5 {
		t.Fatalf("found only %q", list)
	}
	for _, m := range list {
		if m[1] != "" && !strings.Contains(string(makefile), "\n"+m[1]+": ") && !strings.Contains(string(makefile), "\n"+m[1]+": ##") {
			t.Errorf("README.md names make %s, and Makefile has no such target", m[1])
		}
	}
}

// link is one to another place of the documents.
var link = regexp.MustCompile(`\]\(([^)#:]*)(?:#([a-z-]+))?\)`)

// heading is what a link can lead to.
var heading = regexp.MustCompile(`(?m)^#+ (.*)$`)

func TestLinksOfTheDocuments(t *testing.T) {
	for file, text := range prose(t) {
		for _, m := range link.FindAllStringSubmatch(text, -1) {
			to := file
			if m[1] != "" {
				to = filepath.Join(filepath.Dir(file), m[1])
			}
			content, err := os.ReadFile(to)
			if err != nil {
				t.Errorf("%s: %v", file, err)
				continue
			}
			if m[2] == "" {
				continue
			}
			headings := heading.FindAllStringSubmatch(string(content), -1)
			if !slices.ContainsFunc(headings, func(h []string) bool { return anchor(h[1]) == m[2] }) {
				t.Errorf("%s: %s has no heading %q", file, to, m[2])
			}
		}
	}
}

// anchor is the name that a heading gets on a page: in lower case, without
// punctuation, with hyphens for spaces.
func anchor(heading string) string {
	return strings.Map(func(r rune) rune {
		switch {
		case r == ' ':
			return '-'
		case r == '-' || r == '_' || unicode.IsLetter(r) || unicode.IsDigit(r):
			return unicode.ToLower(r)
		}
		return -1
	}, strings.TrimSpace(heading))
}
