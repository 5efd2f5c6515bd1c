package coverage

import (
	"bytes"
	"fmt"
)

// The drawing, in user units: its size and the plot's edges in it.
const (
	drawingWidth, drawingHeight = 720, 320
	left, right, top, bottom    = 56, 700, 48, 268
)

// style follows the reader's choice of a light or a dark page, and of print.
const style = `
.page{fill:#fff}.ink{fill:#1b1f24}.axis{stroke:#57606a;stroke-width:1}
.end{stroke:#8c959f;stroke-dasharray:3 4}.curve{fill:none;stroke:#0550ae;stroke-width:2}
text{font:13px system-ui,sans-serif}
@media (prefers-color-scheme:dark){.page{fill:#0d1117}.ink{fill:#e6edf3}.axis{stroke:#8b949e}.end{stroke:#6e7681}.curve{stroke:#79c0ff}}
@media print{.page{fill:#fff}.ink{fill:#000}.curve{stroke:#000}}
`

// SVG returns a drawing of the curve (SVG 1.1) that needs nothing else: the
// permissions over the time of all runs, a dashed line where each run ends, and
// [Curve.Sentence] as its description.
func (c *Curve) SVG() []byte {
	steps, ends := c.points()
	highest, end := max(1, most(steps)), ends[len(ends)-1]
	x := func(at int64) float64 { return left + float64(right-left)*float64(at)/float64(end) }
	y := func(total int) float64 { return bottom - float64(bottom-top)*float64(total)/float64(highest) }

	var b bytes.Buffer
	fmt.Fprintf(&b, `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 %d %d" role="img" aria-labelledby="title desc">`, drawingWidth, drawingHeight)
	fmt.Fprintf(&b, "\n<title id=\"title\">Permissions seen in use, over the time of %s</title>\n<desc id=\"desc\">%s</desc>\n", count(len(c.Runs), "run"), c.Sentence())
	fmt.Fprintf(&b, "<style>%s</style>\n<rect class=\"page\" width=\"%d\" height=\"%d\"/>\n", style, drawingWidth, drawingHeight)
	text := func(x, y float64, anchor, s string) {
		fmt.Fprintf(&b, "<text class=\"ink\" x=\"%.1f\" y=\"%.1f\" text-anchor=\"%s\">%s</text>\n", x, y, anchor, s)
	}
	text(left, 24, "start", "permissions seen in use")
	for _, n := range []int{0, highest / 2, highest} {
		text(left-8, y(n)+4, "end", fmt.Sprint(n))
	}
	from := int64(0)
	for i, e := range ends {
		if e != end {
			fmt.Fprintf(&b, "<line class=\"end\" x1=\"%.1f\" y1=\"%d\" x2=\"%.1f\" y2=\"%d\"/>\n", x(e), top, x(e), bottom)
		}
		if x(e)-x(from) >= 44 {
			text((x(from)+x(e))/2, bottom+20, "middle", fmt.Sprintf("run %d", i+1))
		}
		from = e
	}
	text(right, bottom+42, "end", seconds(end))
	fmt.Fprintf(&b, "<path class=\"axis\" fill=\"none\" d=\"M%d %dV%dH%d\"/>\n<path class=\"curve\" d=\"M%.1f %.1f", left, top, bottom, right, x(0), y(0))
	for _, s := range steps[1:] {
		fmt.Fprintf(&b, "H%.1fV%.1f", x(s.at), y(s.total))
	}
	b.WriteString("\"/>\n</svg>\n")
	return b.Bytes()
}
