package render

import "github.com/least-privilege/lpm/manifest"

// Bold returns text to be printed bold, where colour is used.
func (t *Terminal) Bold(text string) string { return t.style("1", text) }

// Faint returns text to be printed faint, where colour is used.
func (t *Terminal) Faint(text string) string { return t.style("2", text) }

// Red returns text to be printed red, where colour is used.
func (t *Terminal) Red(text string) string { return t.style("31", text) }

// Green returns text to be printed green, where colour is used.
func (t *Terminal) Green(text string) string { return t.style("32", text) }

// Level returns the level's name in its colour.
func (t *Terminal) Level(l manifest.Level) string { return t.AtLevel(l, l.String()) }

// AtLevel returns text in the colour of a level.
func (t *Terminal) AtLevel(l manifest.Level, text string) string {
	switch l {
	case manifest.Special:
		return t.style("1;31", text)
	case manifest.Dangerous:
		return t.style("33", text)
	}
	return text
}

func (t *Terminal) style(code, text string) string {
	if !t.colour || text == "" {
		return text
	}
	return "\x1b[" + code + "m" + text + "\x1b[0m"
}
