package render

import (
	"strings"
)

// Markdown returns a text that others have written as a cell of a table in
// GitHub's dialect of Markdown: on one line, with nothing in it that Markdown
// would act on. What would become a link, or call somebody or something by its
// name, is shown as code, in which none of that happens.
func Markdown(text string) string {
	text = Reveal(text)
	if strings.ContainsAny(text, "@#`") || strings.Contains(text, "://") || strings.Contains(strings.ToLower(text), "www.") {
		return MarkdownCode(text)
	}
	var b strings.Builder
	for _, r := range text {
		if strings.ContainsRune(`\*_[]<>|~!&$`, r) {
			b.WriteByte('\\')
		}
		b.WriteRune(r)
	}
	return b.String()
}

// MarkdownCode returns a text as code in a cell of a table. The code is
// delimited by more backticks than it has in a row, and a bar would end the cell
// even there (GitHub Flavored Markdown, 4.10).
func MarkdownCode(text string) string {
	text = strings.ReplaceAll(Escape(text), "|", `\|`)
	most, row := 0, 0
	for _, r := range text {
		if r != '`' {
			row = 0
			continue
		}
		row++
		most = max(most, row)
	}
	fence := strings.Repeat("`", most+1)
	if strings.HasPrefix(text, "`") || strings.HasSuffix(text, "`") || text == "" {
		text = " " + text + " "
	}
	return fence + text + fence
}
