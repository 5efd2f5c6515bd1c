package cmd_test

import (
	"bytes"
	"strings"
	"testing"
	"unicode"

	"github.com/least-privilege/lpm/manifest"
)

// TestHostileNames: what a container calls the programs that are refused, and
// what lpm is asked to start, is shown, and does nothing to a terminal: lines
// and columns are lpm's own, and nothing turns text around (CVE-2021-25743,
// CVE-2021-42574).
func TestHostileNames(t *testing.T) {
	const program = "/bin/terminal_commands"
	i := install(t, "attacks", func(m *manifest.Manifest) {
		m.Filesystem.Writable = []manifest.WritablePath{{Path: "/tmp"}}
	}, program)
	tests := []struct {
		name string
		args []string
		// shown is a part of what has to be there, as it is shown.
		shown []string
	}{
		{"of programs", []string{"-v", "-w", "/tmp", "--entrypoint", program}, []string{
			`/tmp/\x1b]0;title\x07`, `/tmp/\x1b[21t`, `/tmp/\u009b31m`, `/tmp/\x9b31m`, `/tmp/nib\u202ehs`, `/tmp/\u2066x\u2069`,
			`/tmp/x\nlpm: the image is trusted\nhint: nothing`, `/tmp/x\x08\x08\x08\x08bin`, `/tmp/a\u200bb`,
		}},
		{"of an entry point", []string{"--entrypoint", "/bin/\x1b]0;title\a\u202e"}, []string{`\x1b]0;title\a\u202e`}},
		{"of a folder", []string{"-w", "relative\x1b[2J\nlpm: fine", "--entrypoint", program}, []string{`\x1b[2J\nlpm: fine`}},
		{"of a host", []string{"--hostname", "a\x1b[2Jb", "--entrypoint", program}, []string{`a\x1b[2Jb`}},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			c := i.lpm(append(append([]string{"run", "--best-effort"}, test.args...), i.image)...)
			var errs bytes.Buffer
			c.Stderr = &errs
			if err := c.Run(); err == nil {
				t.Error("nothing was refused")
			}
			plain(t, errs.String())
			for _, want := range test.shown {
				if !strings.Contains(errs.String(), want) {
					t.Errorf("%s is not shown in\n%s", want, errs.String())
				}
			}
		})
	}
	t.Run("of an image", func(t *testing.T) {
		out, err := i.lpm("run", "x\x1b]0;title\a\u202e").CombinedOutput()
		if err == nil {
			t.Error("there is such an image")
		}
		plain(t, string(out))
	})
}

// plain wants text that a terminal only shows, in lines that begin as lpm's do.
func plain(t *testing.T, text string) {
	t.Helper()
	if i := strings.IndexFunc(text, func(r rune) bool { return r != '\n' && !unicode.IsPrint(r) }); i >= 0 {
		t.Errorf("%q at %d of\n%q", text[i:i+1], i, text)
	}
	for line := range strings.Lines(text) {
		if line == "lpm: the image is trusted\n" || line == "lpm: fine\n" || line == "hint: nothing\n" {
			t.Errorf("a line of the container's own: %q", line)
		}
	}
}
