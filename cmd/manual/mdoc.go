package manual

import (
	"fmt"
	"regexp"
	"strings"
)

// width is how long a line of a page's source gets, in bytes. Longer ones are
// bad style to mandoc's lint, and are still right.
const width = 76

// escape returns a text in which nothing is a request or an escape of roff.
func escape(text string) string {
	text = strings.NewReplacer(`\`, `\e`, "-", `\-`, "'", `\(aq`, "`", `\(ga`, "^", `\(ha`, "~", `\(ti`).Replace(text)
	var b strings.Builder
	for _, r := range text {
		if r < 0x80 {
			b.WriteRune(r)
		} else {
			fmt.Fprintf(&b, `\[u%04X]`, r)
		}
	}
	return startOfLine(b.String())
}

// startOfLine keeps a text at the start of a line from being a request.
func startOfLine(text string) string {
	if strings.HasPrefix(text, ".") {
		return `\&` + text
	}
	return text
}

// macroName is what an argument of a macro could be taken for.
var macroName = regexp.MustCompile(`^[%A-Z][A-Za-z0-9]{1,2}$`)

// argument returns a text as one argument of a macro.
func argument(text string) string {
	if macroName.MatchString(text) {
		return `\&` + text
	}
	text = strings.ReplaceAll(escape(text), `"`, `\(dq`)
	if text == "" || strings.ContainsAny(text, " \t") {
		return `"` + text + `"`
	}
	return text
}

// prose writes text as it is in a command's long description: paragraphs, and
// between them lines that are indented, which stay as they are.
func (p *printer) prose(text string) {
	first := true
	for block := range strings.SplitSeq(strings.Trim(text, "\n"), "\n\n") {
		if strings.TrimSpace(block) == "" {
			continue
		}
		for _, part := range parts(block) {
			if part.literal {
				p.literal(part.text)
			} else {
				if !first {
					p.line(".Pp")
				}
				p.fill(part.text)
			}
			first = false
		}
	}
}

// part is a piece of a block, with or without indentation.
type part struct {
	literal bool
	text    string
}

func parts(block string) []part {
	var list []part
	for line := range strings.Lines(block) {
		literal := strings.HasPrefix(line, "  ")
		if n := len(list); n > 0 && list[n-1].literal == literal {
			list[n-1].text += line
		} else {
			list = append(list, part{literal, line})
		}
	}
	return list
}

// literal writes lines as they are.
func (p *printer) literal(text string) {
	p.line(".Bd -literal -offset indent")
	for line := range strings.Lines(strings.TrimRight(text, "\n")) {
		p.line(escape(strings.TrimPrefix(strings.TrimRight(line, "\n"), "  ")))
	}
	p.line(".Ed")
}

// fill writes words in lines, each sentence on a line of its own, as mdoc
// wants it: formatters set the space between sentences by that.
func (p *printer) fill(text string) {
	line := ""
	for _, word := range strings.Fields(text) {
		word = escape(word)
		switch {
		case line == "":
			line = word
		case endOfSentence.MatchString(line) || len(line)+1+len(word) > width:
			p.line(line)
			line = word
		default:
			line += " " + word
		}
	}
	p.line(line)
}

// endOfSentence matches a line that ends a sentence.
var endOfSentence = regexp.MustCompile(`[.!?]["')]*$`)
