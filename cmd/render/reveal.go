package render

import (
	"strings"
	"unicode"
)

// Reveal is [Escape] for text with names in it (paths, hosts, titles, reasons
// that quote them). It also writes as escapes the characters that a person
// would take for others:
//
//   - letters of another script in a word that has Latin ones;
//   - words of nothing but letters with a Latin double, such as a Cyrillic
//     "сор", where no other word of the text is plainly of that script;
//   - other forms of ASCII letters and digits (full-width, mathematical), and
//     signs that look like a slash, colon, dot or hyphen and are none.
//
// Words that are plainly of another script stay as they are, for they deceive
// nobody. Like [Lookalike] it is an aid and not a proof.
func Reveal(text string) string {
	var plain [len(imitators)]bool
	for _, word := range strings.FieldsFunc(text, func(r rune) bool { return !inWord(r) }) {
		for i := range imitators {
			plain[i] = plain[i] || plainly(word, i)
		}
	}
	var b strings.Builder
	for text != "" {
		word := nextWord(text)
		text = text[len(word):]
		for _, r := range Escape(word) {
			if deceptive(r, word, plain[:]) {
				b.WriteString(escapeRune(r))
			} else {
				b.WriteRune(r)
			}
		}
	}
	return b.String()
}

// deceptive reports whether a character of a word would be taken for another;
// plain says which of the imitators are plainly there.
func deceptive(r rune, word string, plain []bool) bool {
	if r < 0x80 {
		return false
	}
	for i, script := range imitators {
		if unicode.Is(script.table, r) {
			return hasLatin(word) || !plain[i] && !plainly(word, i)
		}
	}
	return asciiForm(r) != "" || strings.ContainsRune(signs, r)
}

// signs look like those that divide paths, hosts and ports.
const signs = "\u2044\u2215\u29f8\u2571\u27cb\uff0f" + // slashes
	"\u2236\ua789\u02d0\u02f8\u0589\uff1a" + // colons
	"\u2024\ua4f8\uff0e\u06d4" + // full stops
	"\u2010\u2011\u2212\u02d7\uff0d\ufe63" // hyphens

// nextWord returns the word that a text begins with, or what is before the
// next one. The text must not be empty.
func nextWord(text string) string {
	first := true
	var inside bool
	end := strings.IndexFunc(text, func(r rune) bool {
		if first {
			first, inside = false, inWord(r)
		}
		return inWord(r) != inside
	})
	if end < 0 {
		return text
	}
	return text[:end]
}

func inWord(r rune) bool { return unicode.In(r, unicode.L, unicode.M, unicode.N) }

func hasLatin(word string) bool {
	return strings.ContainsFunc(word, func(r rune) bool { return unicode.Is(unicode.Latin, r) })
}

// plainly reports whether nobody would take a word of an imitator's script for
// a Latin one.
func plainly(word string, imitator int) bool {
	script := imitators[imitator]
	return !hasLatin(word) && strings.ContainsFunc(word, func(r rune) bool {
		return unicode.Is(script.table, r) && script.doubles != "" && !strings.ContainsRune(script.doubles, r)
	})
}
