package peers

import (
	"fmt"
	"strings"
	"unicode"
)

// header is the comment that each text begins with. All of them have comments
// from "#" to the end of the line.
func (s *section) header(to Peer) string {
	var b strings.Builder
	line := func(format string, args ...any) { b.WriteString("# " + printable(fmt.Sprintf(format, args...)) + "\n") }
	line("Made by lpm export --to %s from the manifest", to)
	line("%s", s.digest)
	for _, n := range s.notes {
		line("%s", n)
	}
	if len(s.gaps) == 0 {
		line("It says all of the manifest's section network.")
		return b.String() + "\n"
	}
	line("It says what the manifest's section network does, except for:")
	for _, g := range s.gaps {
		line("- %s, %s:", g.Permission, g.Effect)
		line("  %s", g.Why)
	}
	return b.String() + "\n"
}

// about is a comment's text on one permission.
func about(id, reason string) string {
	if reason == "" {
		return printable(id)
	}
	// In quotes, so that no reason ends in a backslash, which goes on with the
	// next line in some formats.
	return printable(fmt.Sprintf("%s: \"%s\"", id, reason))
}

// printable replaces what cannot be printed, the ends of lines among it. A valid
// manifest has no such character; this is the second wall.
func printable(text string) string {
	return strings.Map(func(r rune) rune {
		if unicode.IsPrint(r) {
			return r
		}
		return unicode.ReplacementChar
	}, text)
}
