package reviewscreen

import (
	"github.com/least-privilege/lpm/cmd/render"
	"github.com/least-privilege/lpm/manifest"
)

func (s *Screen) pressDetail(key string) {
	r := s.rows[s.cursor]
	switch key {
	case "esc", "enter", "left", "h", "backspace":
		s.view = viewList
	case "n", "right", "l", "tab":
		s.neighbour(1)
	case "p", "shift+tab":
		s.neighbour(-1)
	case "space", "d":
		s.deny(r)
	case "c":
		if r.kind == asked {
			s.startConfirming(r.p)
		}
	case "s":
		s.summarize()
	default:
		s.pressScroll(key)
	}
}

// neighbour goes to the next permission of the list, past groups.
func (s *Screen) neighbour(direction int) {
	for at := s.cursor; ; {
		to := s.next(at, direction)
		if to == at {
			s.message = "There is no further one."
			return
		}
		if at = to; s.rows[at].kind == asked || s.rows[at].kind == former {
			s.cursor, s.scroll = at, 0
			return
		}
	}
}

// pressScroll moves the text of a view.
func (s *Screen) pressScroll(key string) {
	page := max(s.frame().body-1, 1)
	switch key {
	case "up", "k":
		s.scroll--
	case "down", "j":
		s.scroll++
	case "pgup", "ctrl+b":
		s.scroll -= page
	case "pgdown", "ctrl+f", "space":
		s.scroll += page
	case "home", "g":
		s.scroll = 0
	case "end", "G":
		s.scroll = len(s.frame().text)
	}
}

// startConfirming asks for the word of a special permission, or takes a
// confirmation back.
func (s *Screen) startConfirming(p manifest.Permission) {
	switch {
	case p.Level != manifest.Special:
		s.message = "Only special permissions are confirmed; this one is " + p.Level.String() + "."
	case s.standing(p) == denied:
		s.message = "It is denied; Space takes that back."
	case s.standing(p) == fallen:
		s.message = "It falls away with what is denied: there is nothing to confirm."
	case s.confirmed[p.ID]:
		delete(s.confirmed, p.ID)
		s.message = "It is not confirmed any more."
	default:
		s.typing, s.typed = true, ""
	}
}

// detailText is all there is to say of the selected permission.
func (s *Screen) detailText() []string {
	r := s.rows[s.cursor]
	var lines []string
	add := func(text string) { lines = append(lines, wrap(text, s.width, 2)...) }
	if title := render.Reveal(r.p.Title); width(title) > s.width {
		add(title)
	}
	add(render.Reveal(r.p.ID))
	add(s.standingText(r))
	if seen := render.Lookalike(r.p.ID + r.p.Title); seen != "" {
		for _, line := range wrap("! a name here may not be what it looks like: "+seen, s.width, 2) {
			lines = append(lines, s.style.Red(line))
		}
	}
	lines = append(lines, "")
	lines = append(lines, wrap(render.Reveal(r.p.Meaning), s.width, 0)...)
	if r.p.Reason != "" {
		add("Its author says: " + render.Reveal(r.p.Reason))
	} else {
		add("Its author gives no reason.")
	}
	for _, before := range r.before {
		add("It was approved as: " + render.Reveal(before.Title))
	}
	if facts := s.page.Facts[r.p.ID]; len(facts) > 0 && r.kind == asked {
		lines = append(lines, "")
		for _, f := range facts {
			add(render.Reveal(f.Label + ": " + f.Text))
		}
	}
	return lines
}

// standingText says what a permission is and what was decided of it.
func (s *Screen) standingText(r row) string {
	if r.kind == former {
		return "It was approved, and is not asked for in this form any more."
	}
	text := map[manifest.Level]string{
		manifest.Special: "Special", manifest.Dangerous: "Dangerous", manifest.Normal: "Normal",
	}[r.p.Level]
	if r.p.Optional {
		text += ", optional"
	} else {
		text += ", required"
	}
	switch s.standing(r.p) {
	case denied:
		if s.beforehand[r.p.ID] {
			return text + ". Denied, as in the last approval; Space grants it."
		}
		return text + ". Denied; Space takes that back."
	case fallen:
		return text + ". It falls away with what is denied."
	case awaiting:
		return text + ". Not confirmed: c confirms it."
	}
	if s.confirmed[r.p.ID] {
		return text + ". Confirmed."
	}
	return text + ". Granted when it is signed."
}

// detailPrompt asks for a confirmation, or shows what the last key led to.
func (s *Screen) detailPrompt() []string {
	var lines []string
	if s.message != "" {
		lines = append(lines, wrap(s.message, s.width, 0)...)
	}
	if s.typing {
		ask := "To confirm it, type " + s.word(s.rows[s.cursor].p) + ", then Enter. Esc: not now."
		lines = append(lines, wrap(ask, s.width, 0)...)
		lines = append(lines, s.typedLine())
	}
	return lines
}
