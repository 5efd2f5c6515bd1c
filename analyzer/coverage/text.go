package coverage

import (
	"fmt"
	"strings"
)

// rows is the height of the plot in lines.
const rows = 8

// blocks fill a character cell from below by eighths.
var blocks = []rune(" ▁▂▃▄▅▆▇█")

// Text returns a plot of the curve for a terminal of at least 40 columns: the
// permissions over the time of all runs, a line below that says where each run
// begins, and how much new each has shown.
func (c *Curve) Text(columns int) string {
	steps, ends := c.points()
	highest := most(steps)
	if highest == 0 {
		return "no permission was seen in use\n"
	}
	margin := len(fmt.Sprint(highest)) + 1
	width := max(40, columns) - margin - 1
	heights := c.heights(steps, ends[len(ends)-1], width)

	var b strings.Builder
	for row := rows - 1; row >= 0; row-- {
		label := ""
		switch row {
		case rows - 1:
			label = fmt.Sprint(highest)
		case 0:
			label = "0"
		}
		fmt.Fprintf(&b, "%*s│", margin, label)
		line := make([]rune, width)
		for x, h := range heights {
			// In eighths of a cell, of those of this row.
			line[x] = blocks[min(8, max(0, h*rows*8/highest-row*8))]
		}
		b.WriteString(strings.TrimRight(string(line), " ") + "\n")
	}
	b.WriteString(strings.Repeat(" ", margin) + "└" + axis(ends, width) + "\n")
	for i, r := range c.Runs {
		fmt.Fprintf(&b, "%*srun %d, %s: %d new\n", margin+1, "", i+1, seconds(r.Duration), len(r.New))
	}
	return b.String()
}

// heights is the number of permissions at the end of each column.
func (c *Curve) heights(steps []point, end int64, width int) []int {
	heights := make([]int, width)
	at := 0
	for x := range heights {
		limit := end * int64(x+1) / int64(width)
		for at+1 < len(steps) && steps[at+1].at <= limit {
			at++
		}
		heights[x] = steps[at].total
	}
	return heights
}

// axis marks where runs end.
func axis(ends []int64, width int) string {
	line := []rune(strings.Repeat("─", width))
	last := ends[len(ends)-1]
	for _, e := range ends[:len(ends)-1] {
		line[min(int64(width-1), e*int64(width)/last)] = '┬'
	}
	return string(line)
}
