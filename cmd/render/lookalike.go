package render

import (
	"fmt"
	"strings"
	"unicode"

	"golang.org/x/text/unicode/norm"
)

// imitators are the scripts with letters that look like Latin ones.
var imitators = [...]struct {
	name  string
	table *unicode.RangeTable
}{
	{"Armenian", unicode.Armenian},
	{"Cherokee", unicode.Cherokee},
	{"Coptic", unicode.Coptic},
	{"Cyrillic", unicode.Cyrillic},
	{"Deseret", unicode.Deseret},
	{"Greek", unicode.Greek},
	{"Lisu", unicode.Lisu},
	{"Osage", unicode.Osage},
}

// Lookalike says which letters of a name imitate those of another script, in
// words such as `U+0440 is Cyrillic among Latin letters`; "" for none. Letters
// that are mere typographic forms of others (full-width, mathematical) count
// too.
//
// It is a warning, not a proof: scripts can be mixed in good faith, and two
// names of one script can look alike.
func Lookalike(name string) string {
	latin := strings.ContainsFunc(name, func(r rune) bool { return unicode.Is(unicode.Latin, r) })
	for _, r := range name {
		if r < 0x80 || !unicode.IsLetter(r) && !unicode.IsNumber(r) {
			continue
		}
		if plain := norm.NFKC.String(string(r)); plain != string(r) && plain[0] < 0x80 {
			return fmt.Sprintf("U+%04X is another form of %q", r, plain)
		}
		for _, script := range imitators {
			if latin && unicode.Is(script.table, r) {
				return fmt.Sprintf("U+%04X is %s among Latin letters", r, script.name)
			}
		}
	}
	return ""
}
