package render

import (
	"fmt"
	"unicode"

	"golang.org/x/text/unicode/norm"
)

// imitators are the scripts with letters that look like Latin ones. Of those
// that are in wide use, doubles are these letters, after the confusables of
// Unicode TR39; of the others any letter is taken for one.
var imitators = [...]struct {
	name    string
	table   *unicode.RangeTable
	doubles string
}{
	{"Armenian", unicode.Armenian, "\u0555\u054d\u0563\u0566\u0570\u0578\u057d\u0581\u0585"},
	{"Cherokee", unicode.Cherokee, ""},
	{"Coptic", unicode.Coptic, ""},
	{"Cyrillic", unicode.Cyrillic, "\u0430\u0435\u043a\u043e\u0440\u0441\u0443\u0445\u0455\u0456\u0458\u0475\u04bb\u04cf\u0501\u051b\u051d" +
		"\u0410\u0412\u0415\u041a\u041c\u041d\u041e\u0420\u0421\u0422\u0423\u0425\u0405\u0406\u0408\u0474\u04c0\u050c\u051a\u051c"},
	{"Deseret", unicode.Deseret, ""},
	{"Greek", unicode.Greek, "\u03b1\u03b3\u03b9\u03ba\u03bd\u03bf\u03c1\u03c5\u03c7\u03f2\u03f3" +
		"\u0391\u0392\u0395\u0396\u0397\u0399\u039a\u039c\u039d\u039f\u03a1\u03a4\u03a5\u03a7"},
	{"Lisu", unicode.Lisu, ""},
	{"Osage", unicode.Osage, ""},
}

// Lookalike says which letters of a name imitate those of another script, in
// words such as `U+0440 is Cyrillic among Latin letters`; "" for none. Letters
// that are mere typographic forms of others (full-width, mathematical) count
// too.
//
// It is a warning, not a proof: scripts can be mixed in good faith, and two
// names of one script can look alike.
func Lookalike(name string) string {
	latin := hasLatin(name)
	for _, r := range name {
		if plain := asciiForm(r); plain != "" {
			return fmt.Sprintf("U+%04X is another form of %q", r, plain)
		}
		for _, script := range imitators {
			if latin && unicode.Is(script.table, r) && (unicode.IsLetter(r) || unicode.IsNumber(r)) {
				return fmt.Sprintf("U+%04X is %s among Latin letters", r, script.name)
			}
		}
	}
	return ""
}

// asciiForm returns the ASCII that a letter or number is another form of; "" for
// one that is none.
func asciiForm(r rune) string {
	if r < 0x80 || !unicode.IsLetter(r) && !unicode.IsNumber(r) {
		return ""
	}
	if plain := norm.NFKC.String(string(r)); plain != string(r) && plain[0] < 0x80 {
		return plain
	}
	return ""
}
