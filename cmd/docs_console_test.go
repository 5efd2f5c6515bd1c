package cmd_test

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"
)

// The commands of the documents are run, in the order in which they are
// written, by one shell for each document. Code is fenced, and its language says
// what it is:
//
//	sh           commands, which succeed; what they print is not shown
//	console      commands behind "$ ", each followed by what it prints, with lines
//	             behind "> " that go on with it and comments behind "# "
//	cue, yaml, json and a name
//	             the content of the file of that name, from here on
//
// In what is printed "…" stands for any text of a line, and alone on a line for
// any lines: digests, times, what is of no matter there. A command that fails is
// followed by "$ echo $?".

// step is one thing of a document that is to be done.
type step struct {
	line int
	// command is run; or where it is empty, file gets the content.
	command, file, content string
	// shown tells that output is what the command prints.
	shown  bool
	output []string
}

// steps reads what is to be done from a document.
func steps(document string) (list []step, err error) {
	lines := strings.Split(document, "\n")
	for i := 0; i < len(lines); i++ {
		language, fenced := strings.CutPrefix(lines[i], "```")
		if !fenced {
			continue
		}
		end := slices.Index(lines[i+1:], "```")
		if end < 0 {
			return nil, fmt.Errorf("line %d: the code has no end", i+1)
		}
		block := lines[i+1 : i+1+end]
		kind, file, _ := strings.Cut(language, " ")
		switch {
		case kind == "sh" && file == "":
			list = append(list, shellSteps(i+2, block)...)
		case kind == "console" && file == "":
			more, err := consoleSteps(i+2, block)
			if err != nil {
				return nil, err
			}
			list = append(list, more...)
		case slices.Contains([]string{"cue", "yaml", "json"}, kind) && file != "":
			list = append(list, step{line: i + 2, file: file, content: strings.Join(block, "\n") + "\n"})
		default:
			return nil, fmt.Errorf("line %d: code of the language %q is neither run nor a file", i+1, language)
		}
		i += end + 1
	}
	return list, nil
}

// shellSteps takes each line for a command, with those that it continues on
// after a backslash or while a quote is open.
func shellSteps(line int, block []string) (list []step) {
	command, from := "", 0
	for i, text := range block {
		if command == "" {
			if text == "" || strings.HasPrefix(strings.TrimSpace(text), "#") {
				continue
			}
			from = i
		}
		command += text + "\n"
		if !strings.HasSuffix(text, `\`) && strings.Count(command, "'")%2 == 0 {
			list = append(list, step{line: line + from, command: strings.TrimSuffix(command, "\n")})
			command = ""
		}
	}
	return list
}

func consoleSteps(line int, block []string) (list []step, err error) {
	for i, text := range block {
		more, goesOn := strings.CutPrefix(text, "> ")
		command, begins := strings.CutPrefix(text, "$ ")
		n := len(list)
		switch {
		case begins:
			list = append(list, step{line: line + i, command: command, shown: true})
		case strings.HasPrefix(text, "# "):
		case n == 0 && text != "":
			return nil, fmt.Errorf("line %d: there is no command that would print %q", line+i, text)
		case n == 0:
		case goesOn && list[n-1].output == nil:
			list[n-1].command += "\n" + more
		default:
			list[n-1].output = append(list[n-1].output, text)
		}
	}
	return list, nil
}

// matches reports whether what was printed is what is shown.
func matches(shown, printed []string) bool {
	shown, printed = trimmed(shown), trimmed(printed)
	for len(shown) > 0 && shown[0] != "…" {
		if len(printed) == 0 || !matchesLine(shown[0], printed[0]) {
			return false
		}
		shown, printed = shown[1:], printed[1:]
	}
	if len(shown) == 0 {
		return len(printed) == 0
	}
	for skip := range len(printed) + 1 {
		if matches(shown[1:], printed[skip:]) {
			return true
		}
	}
	return false
}

// trimmed leaves out empty lines at the end, which set commands apart.
func trimmed(lines []string) []string {
	for len(lines) > 0 && strings.TrimSpace(lines[len(lines)-1]) == "" {
		lines = lines[:len(lines)-1]
	}
	return lines
}

func matchesLine(shown, printed string) bool {
	parts := strings.Split(shown, "…")
	printed, ok := strings.CutPrefix(printed, parts[0])
	if !ok || len(parts) == 1 {
		return ok && printed == ""
	}
	last := len(parts) - 1
	for _, part := range parts[1:last] {
		if _, printed, ok = strings.Cut(printed, part); !ok {
			return false
		}
	}
	return strings.HasSuffix(printed, parts[last])
}

// shell runs the steps of a document.
type shell struct {
	dir string
	env []string
	// before changes what is run, and after what was printed.
	before, after *strings.Replacer
	// instead has what is run in place of a command that asks a person, or goes
	// on until one ends it.
	instead map[string]string
}

// mark is what the shell prints after each command, with the exit code behind
// it; no output of ours has the character.
const mark = "\x1e"

// run returns what a document says and is not so.
func (s *shell) run(ctx context.Context, document string, list []step) []string {
	var script strings.Builder
	script.WriteString("exec </dev/null 2>&1\ntrap 'kill $(jobs -p) 2>/dev/null; wait' EXIT\n")
	for i, each := range list {
		command := each.command
		plain, _, _ := strings.Cut(command, "  #")
		if other, ok := s.instead[strings.TrimSpace(plain)]; ok {
			command = other
		}
		if each.file != "" {
			command = "cat >" + each.file + " <<'END OF FILE'\n" + each.content + "END OF FILE"
		}
		fmt.Fprintf(&script, "%s\nfailed=$?; printf '%s%d:%%d\\n' $failed; (exit $failed)\n", s.before.Replace(command), mark, i)
	}
	bash := exec.CommandContext(ctx, "bash", "-c", script.String())
	bash.Dir, bash.Env = s.dir, s.env
	bash.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	bash.Cancel = func() error { return syscall.Kill(-bash.Process.Pid, syscall.SIGKILL) }
	bash.WaitDelay = 10 * time.Second
	out, err := bash.Output()
	return compare(document, list, s.after.Replace(string(out)), err)
}

// compare holds what was printed against what the document shows.
func compare(document string, list []step, out string, failed error) (wrong []string) {
	for i, each := range list {
		printed, rest, _ := strings.Cut(out, fmt.Sprintf("%s%d:", mark, i))
		code, rest, _ := strings.Cut(rest, "\n")
		number, err := strconv.Atoi(code)
		if err != nil {
			return append(wrong, fmt.Sprintf("%s:%d: the shell ended (%v) in: %s\n%s", document, each.line, failed, each.command, printed))
		}
		out = rest
		told := i+1 < len(list) && list[i+1].command == "echo $?"
		if number != 0 && !told {
			wrong = append(wrong, fmt.Sprintf("%s:%d: %s\nfails with %d, and the document does not say so:\n%s", document, each.line, each.command, number, printed))
		}
		if each.shown && !matches(each.output, linesOf(printed)) {
			wrong = append(wrong, fmt.Sprintf("%s:%d: $ %s\nprints\n%s\nand not\n%s", document, each.line, each.command, printed, strings.Join(each.output, "\n")))
		}
	}
	return wrong
}

// linesOf leaves out what is said where a machine cannot enforce everything, as
// those of tests cannot.
func linesOf(printed string) []string {
	return slices.DeleteFunc(strings.Split(strings.TrimSuffix(printed, "\n"), "\n"), func(line string) bool {
		return strings.HasPrefix(line, "lpm: warning: not enforced on this host:")
	})
}

func TestSteps(t *testing.T) {
	got, err := steps("# Title\n```sh\n# a comment\na \\\n  b\n\nc 'x\ny'\n```\n```cue f.cue\nversion: 1\n```\n" +
		"```console\n# first\n$ one\n> more\nout\n\n# next\n$ two\n$ three\n```\n")
	if err != nil {
		t.Fatal(err)
	}
	want := []step{
		{line: 4, command: "a \\\n  b"}, {line: 7, command: "c 'x\ny'"},
		{line: 11, file: "f.cue", content: "version: 1\n"},
		{line: 15, command: "one\nmore", shown: true, output: []string{"out", ""}},
		{line: 20, command: "two", shown: true}, {line: 21, command: "three", shown: true},
	}
	if fmt.Sprintf("%+v", got) != fmt.Sprintf("%+v", want) {
		t.Errorf("got  %+v\nwant %+v", got, want)
	}
	for _, bad := range []string{"```sh\nnever ends", "```console\noutput\n```", "```python\n```", "```\nplain\n```", "```cue\nno name\n```"} {
		if _, err := steps(bad); err == nil {
			t.Errorf("no error for %q", bad)
		}
	}
}

func TestMatches(t *testing.T) {
	for _, tt := range []struct {
		shown, printed string
		want           bool
	}{
		{"", "", true}, {"", "\n", true}, {"", "text", false}, {"text", "", false},
		{"a\nb", "a\nb\n\n", true}, {"a\nb", "a\nc", false}, {"a", "a\nb", false}, {"a\n\nb", "a\nb", false},
		{"sha256:…", "sha256:12", true}, {"sha256:…", "sha512:12", false}, {"a…b…c", "a1b2c", true}, {"a…b…c", "a1c2b", false},
		{"a…c", "ac", true}, {"a…a", "a", false},
		{"…", "", true}, {"a\n…", "a\nb\nc", true}, {"…\nc", "a\nb\nc", true}, {"…\nb", "a\nb\nc", false}, {"a\n…\nc\n…", "a\nc", true},
	} {
		if got := matches(strings.Split(tt.shown, "\n"), strings.Split(tt.printed, "\n")); got != tt.want {
			t.Errorf("matches(%q, %q) = %v", tt.shown, tt.printed, got)
		}
	}
}

// TestShell: what a document says and is not so is found.
func TestShell(t *testing.T) {
	for document, wrong := range map[string]bool{
		"```console\n$ echo one\none\n```":                      false,
		"```console\n$ echo one\ntwo\n```":                      true,
		"```console\n$ echo one >&2\none\n```":                  false,
		"```console\n$ false\n```":                              true,
		"```console\n$ (exit 3)\n$ echo $?\n3\n```":             false,
		"```console\n$ (exit 3)\n$ echo $?\n0\n```":             true,
		"```sh\nA=1\ncd /\n```\n```console\n$ pwd\n/\n```":      false,
		"```sh\nexit 0\ntrue\n```":                              true,
		"```sh\nfalse\n```":                                     true,
		"```cue f.cue\nx\n```\n```console\n$ cat f.cue\nx\n```": false,
	} {
		list, err := steps(document)
		if err != nil {
			t.Fatal(err)
		}
		s := &shell{dir: t.TempDir(), env: os.Environ(), before: strings.NewReplacer(), after: strings.NewReplacer()}
		if got := s.run(t.Context(), "document", list); (len(got) > 0) != wrong {
			t.Errorf("%q is found wrong: %q", document, got)
		}
	}
}
