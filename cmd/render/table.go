package render

import (
	"fmt"
	"io"
	"strings"
	"unicode/utf8"
)

// Table prints rows below a heading, in columns set apart by three spaces. It
// escapes every cell. Without rows it prints the heading alone.
func (t *Terminal) Table(heading []string, rows [][]string) {
	widths := make([]int, len(heading))
	escaped := make([][]string, 0, len(rows)+1)
	for _, row := range append([][]string{heading}, rows...) {
		cells := make([]string, len(row))
		for i, cell := range row {
			cells[i] = Escape(cell)
			widths[i] = max(widths[i], utf8.RuneCountInString(cells[i]))
		}
		escaped = append(escaped, cells)
	}
	for i, cells := range escaped {
		line := joinCells(cells, widths)
		if i == 0 {
			line = t.Bold(line)
		}
		fmt.Fprintln(t.Out, line)
	}
}

func joinCells(cells []string, widths []int) string {
	var b strings.Builder
	for i, cell := range cells {
		b.WriteString(cell)
		if i < len(cells)-1 {
			b.WriteString(strings.Repeat(" ", widths[i]-utf8.RuneCountInString(cell)+3))
		}
	}
	return strings.TrimRight(b.String(), " ")
}

// Wrap writes text in lines of at most width characters, each after indent.
// It breaks at spaces only. The text must have been escaped.
func Wrap(w io.Writer, indent, text string, width int) {
	line := indent
	for _, word := range strings.Fields(text) {
		switch {
		case line == indent:
			line += word
		case utf8.RuneCountInString(line)+1+utf8.RuneCountInString(word) > width:
			fmt.Fprintln(w, line)
			line = indent + word
		default:
			line += " " + word
		}
	}
	if line != indent {
		fmt.Fprintln(w, line)
	}
}
