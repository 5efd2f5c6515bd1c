package reviewscreen

import (
	"fmt"
	"strings"

	"github.com/charmbracelet/x/ansi"

	"github.com/least-privilege/lpm/manifest"
)

// width is how many columns a text takes.
func width(text string) int { return ansi.StringWidth(text) }

// fit cuts a text to a width, and shows that it was cut.
func fit(text string, columns int) string {
	if columns <= 0 {
		return ""
	}
	return ansi.Truncate(text, columns, "…")
}

// fitEnd keeps the end of a text that is too wide.
func fitEnd(text string, columns int) string {
	if over := width(text) - columns; over > 0 {
		return ansi.TruncateLeft(text, over+1, "…")
	}
	return text
}

// wrap breaks a text into lines of at most columns: at blanks, and within words
// that are wider than that. The lines after the first are indented.
func wrap(text string, columns, indent int) []string {
	indent = min(indent, columns/2)
	blank := strings.Repeat(" ", indent)
	var lines []string
	line, empty := "", true
	flush := func() {
		lines = append(lines, strings.TrimRight(line, " "))
		line, empty = blank, true
	}
	for word := range strings.SplitSeq(text, " ") {
		switch {
		case empty:
			line += word
		case width(line)+1+width(word) <= columns:
			line += " " + word
		default:
			flush()
			line += word
		}
		empty = false
		for width(line) > columns {
			head := ansi.Truncate(line, columns, "")
			if width(head) <= indent { // one character is wider than that
				line = blank
				break
			}
			rest := line[len(head):]
			line = head
			flush()
			line, empty = line+rest, false
		}
	}
	if strings.TrimSpace(line) != "" {
		flush()
	}
	return lines
}

// counts says how many permissions of each level there are, the worst first.
func counts(list []manifest.Permission) string {
	var parts []string
	for _, level := range []manifest.Level{manifest.Special, manifest.Dangerous, manifest.Normal} {
		n := 0
		for _, p := range list {
			if p.Level == level {
				n++
			}
		}
		if n > 0 {
			parts = append(parts, fmt.Sprintf("%d %s", n, level))
		}
	}
	if parts == nil {
		return "no permissions"
	}
	return strings.Join(parts, ", ") + " permissions"
}
