package evidence

import "strings"

// cut is at the end of what does not fit in a record.
const cut = "…"

// Fit returns a text as it may be in a record: of more than [MaxText] bytes the
// beginning. Bytes that are not UTF-8 would take more room there.
func Fit(text string) string {
	text = strings.ToValidUTF8(text, "\ufffd")
	if len(text) <= MaxText {
		return text
	}
	return strings.ToValidUTF8(text[:MaxText-len(cut)], "") + cut
}

// FitCommand returns a command line as it may be in a record: each argument by
// [Fit], and of more than [MaxList] the first.
func FitCommand(command []string) []string {
	var list []string
	for _, arg := range command {
		if len(list) == MaxList-1 {
			return append(list, cut)
		}
		list = append(list, Fit(arg))
	}
	return list
}
