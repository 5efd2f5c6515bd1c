package page

import (
	"strings"
	"unicode/utf8"

	"github.com/least-privilege/lpm/cmd/render"
)

// piece is a part of a text.
type piece struct {
	Text string
	// Escape tells that it stands for a character that would show nothing, or
	// do something other than be shown.
	Escape bool
}

// pieces splits a text into what can be shown as it is and what [render.Escape]
// would replace, so that a page can tell an escape from the same letters.
func pieces(text string) []piece {
	var list []piece
	for len(text) > 0 {
		_, size := utf8.DecodeRuneInString(text)
		char := text[:size]
		shown := render.Escape(char)
		escape := shown != char
		if last := len(list) - 1; last >= 0 && list[last].Escape == escape {
			list[last].Text += shown
		} else {
			list = append(list, piece{shown, escape})
		}
		text = text[size:]
	}
	return list
}

// lookalike says which letters of a permission's name imitate others; "" for
// none.
func lookalike(p Permission) string { return render.Lookalike(p.ID + p.Title) }

// titled is a permission's title where it says more than its name does.
func titled(p Permission) string {
	if strings.TrimPrefix(p.ID, "syscall:") == p.Title {
		return ""
	}
	return p.Title
}

// plural names a number of things.
func plural(n int, noun string) string {
	if n == 1 {
		return "1 " + noun
	}
	return decimal(n) + " " + noun + "s"
}

// heading begins with a capital letter.
func heading(text string) string {
	if text == "" {
		return ""
	}
	return strings.ToUpper(text[:1]) + text[1:]
}
