package peers

import (
	"path"
	"strings"
)

// maxName is the most characters of a name: it is a label of DNS (RFC 1123) to
// Kubernetes, and a part of a table's name to nftables.
const maxName = 63

// Name makes a name that [New] takes of the name of an image or a file, such as
// "registry.example/team/app:1.2" or "manifests/app.cue": the last part of the
// path, without a tag, a digest or an ending. It is "app" where nothing is left.
func Name(source string) string {
	base, _, _ := strings.Cut(source, "@")
	base = path.Base(base)
	base, _, _ = strings.Cut(base, ":")
	for _, ending := range []string{".cue", ".json", ".yaml", ".yml"} {
		base = strings.TrimSuffix(base, ending)
	}
	var b strings.Builder
	for _, r := range strings.ToLower(base) {
		if r >= 'a' && r <= 'z' || r >= '0' && r <= '9' {
			b.WriteRune(r)
		} else {
			b.WriteByte('-')
		}
	}
	name := b.String()
	name = strings.Trim(name[:min(len(name), maxName)], "-")
	if !isName(name) {
		return "app"
	}
	return name
}

// isName reports whether a text is a label of RFC 1123.
func isName(text string) bool {
	return text != "" && len(text) <= maxName && text[0] != '-' && text[len(text)-1] != '-' &&
		strings.Trim(text, "abcdefghijklmnopqrstuvwxyz0123456789-") == ""
}
