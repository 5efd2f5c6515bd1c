package render

import "testing"

func TestMarkdown(t *testing.T) {
	for text, want := range map[string]string{
		"Use the host's network":   "Use the host's network",
		"a|b":                      `a\|b`,
		"<img src=x>":              `\<img src=x\>`,
		"[click](javascript:x)":    `\[click\](javascript:x)`,
		"**bold** _it_ ~no~ $m$":   `\*\*bold\*\* \_it\_ \~no\~ \$m\$`,
		"&lt;":                     `\&lt;`,
		"ask @admins":              "`ask @admins`",
		"fixes #1":                 "`fixes #1`",
		"see https://evil.example": "`see https://evil.example`",
		"see WWW.evil.example":     "`see WWW.evil.example`",
		"two\nlines":               `two\\nlines`,
		"a ` b `` c | @":           "```a ` b `` c \\| @```",
		"`@`":                      "`` `@` ``",
		"\u202etxt":                `\\u202etxt`,
		"Start /bin/c\u0430t":      `Start /bin/c\\u0430t`,
	} {
		if got := Markdown(text); got != want {
			t.Errorf("%q: %q, want %q", text, got, want)
		}
	}
}
