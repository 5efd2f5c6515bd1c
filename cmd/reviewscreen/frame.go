package reviewscreen

import (
	"fmt"
	"strings"

	"github.com/least-privilege/lpm/cmd/render"
)

// The smallest window in which the screen can be used, and the height from
// which on there is room for more than the least.
const (
	leastWidth  = 32
	leastHeight = 10
	tallHeight  = 18
)

func (s *Screen) tooSmall() bool { return s.width < leastWidth || s.height < leastHeight }

// frame is what stays in its place above and below the part that scrolls.
type frame struct {
	above, below []string
	// text is what scrolls, in all views but the list.
	text []string
	// body is how many lines are left for what scrolls, at least one.
	body int
}

func (s *Screen) frame() frame {
	var f frame
	switch s.view {
	case viewList:
		f.above, f.below = s.listHeader(), s.listPane()
	case viewDetail:
		r := s.rows[s.cursor]
		f.above = []string{s.style.AtLevel(r.p.Level, fit(render.Reveal(r.p.Title), s.width)), ""}
		f.text, f.below = s.detailText(), s.detailPrompt()
	case viewSummary:
		f.above = []string{s.style.Bold("Sign this decision"), ""}
		f.text, f.below = s.summaryText(), s.summaryPrompt()
	case viewHelp:
		f.above, f.text = []string{s.style.Bold("Keys"), ""}, s.helpText()
	}
	// What matters most in what is below is its end.
	if most := s.height - len(f.above) - 4; len(f.below) > most {
		f.below = f.below[len(f.below)-most:]
	}
	f.below = append(f.below, s.style.Faint(s.keys()))
	f.body = max(s.height-len(f.above)-len(f.below), 1)
	if more := len(f.text) - f.body; more > 0 {
		// The blank line below the title says where in the text this is.
		first := max(min(s.scroll, more), 0) + 1
		f.above[len(f.above)-1] = s.style.Faint(fit(fmt.Sprintf("lines %d to %d of %d", first, first+f.body-1, len(f.text)), s.width))
	}
	return f
}

// settle puts what is selected into the window, and notes what is seen.
func (s *Screen) settle() {
	if s.tooSmall() {
		return
	}
	f := s.frame()
	if s.view != viewList {
		s.scroll = max(min(s.scroll, len(f.text)-f.body), 0)
		if r := s.rows[s.cursor]; s.view == viewDetail && r.kind == asked {
			s.seen[r.p.ID] = true
		}
		return
	}
	first := s.cursor
	for first > 0 && s.rows[first-1].kind == heading {
		first--
	}
	s.top = min(s.top, first)
	s.top = max(s.top, s.cursor-f.body+1, 0)
	s.top = max(min(s.top, len(s.rows)-f.body), 0)
	for i := s.top; i < min(s.top+f.body, len(s.rows)); i++ {
		// Of what is cut off, the part that matters may be missing. Of the
		// selected one, the pane then has the whole title if there is room.
		r := s.rows[i]
		whole := !s.isCut(r) || i == s.cursor && s.message == "" && len(wrap(render.Reveal(r.p.Title), s.width, 0)) <= s.paneRoom()
		if r.kind == asked && whole {
			s.seen[r.p.ID] = true
		}
	}
}

// Lines returns what the window shows: not more lines than it has, and none
// wider than it is.
func (s *Screen) Lines() []string {
	if s.tooSmall() {
		return s.smallLines()
	}
	f := s.frame()
	lines := append([]string{}, f.above...)
	if s.view == viewList {
		for i := s.top; i < min(s.top+f.body, len(s.rows)); i++ {
			lines = append(lines, s.rowLine(i))
		}
	} else {
		lines = append(lines, f.text[min(s.scroll, len(f.text)):min(s.scroll+f.body, len(f.text))]...)
	}
	for len(lines) < s.height-len(f.below) {
		lines = append(lines, "")
	}
	return append(lines, f.below...)
}

func (s *Screen) smallLines() []string {
	if s.width < 1 || s.height < 1 {
		return nil
	}
	lines := wrap(fmt.Sprintf("The window is too small: %dx%d of %dx%d. Make it larger, or leave with q.", s.width, s.height, leastWidth, leastHeight), s.width, 0)
	return lines[:min(len(lines), s.height)]
}

// listHeader says what is reviewed.
func (s *Screen) listHeader() []string {
	q := s.page.Request
	name := render.Reveal(q.Subject.Name)
	place := s.place()
	name = fit(name, s.width-width(place)-1)
	lines := []string{s.style.Bold(name) + strings.Repeat(" ", max(s.width-width(name)-width(place), 0)) + s.style.Faint(place)}
	compared := wrap(s.compared(), s.width, 0)
	if s.height < tallHeight {
		return append(lines, fit(s.compared(), s.width))
	}
	lines = append(lines, fit("Asks for "+counts(q.Permissions)+".", s.width))
	for _, line := range compared[:min(len(compared), 2)] {
		if len(q.Beyond()) == 0 {
			line = s.style.Green(line)
		}
		lines = append(lines, line)
	}
	return append(lines, "")
}

// place says which of the permissions is selected, of those in the list.
func (s *Screen) place() string {
	at, all := 0, 0
	for i, r := range s.rows {
		if r.kind == asked || r.kind == former {
			all++
			if i <= s.cursor {
				at++
			}
		}
	}
	if k := s.rows[s.cursor].kind; k != asked && k != former {
		return fmt.Sprintf("%d listed", all)
	}
	return fmt.Sprintf("%d of %d", at, all)
}

// listPane says in a sentence what the selected row means, or what the last key
// led to.
func (s *Screen) listPane() []string {
	rule := s.style.Faint(strings.Repeat("─", s.width))
	room := s.paneRoom()
	if s.message != "" {
		lines := wrap(s.message, s.width, 0)
		return append(append([]string{rule}, lines...), make([]string, max(room-len(lines), 0))...)
	}
	var lines []string
	switch r := s.rows[s.cursor]; r.kind {
	case group:
		lines = wrap(r.p.Meaning, s.width, 0)
	case proceed:
		lines = wrap(s.openQuestions(), s.width, 0)
	default:
		lines = []string{s.idLine(r)}
		if s.isCut(r) {
			lines = wrap(render.Reveal(r.p.Title), s.width, 0)
		}
		lines = append(lines, wrap(render.Reveal(r.p.Meaning), s.width, 0)...)
	}
	if len(lines) > room {
		lines = lines[:room]
		lines[room-1] = fit(lines[room-1], s.width-2) + " …"
	}
	return append(append([]string{rule}, lines...), make([]string, room-len(lines))...)
}

// paneRoom is how many lines of text the pane has.
func (s *Screen) paneRoom() int {
	if s.height < tallHeight {
		return 2
	}
	return 3
}

// isCut reports whether a permission's title is wider than its row.
func (s *Screen) isCut(r row) bool {
	return width(render.Reveal(r.p.Title)) > s.width-width(s.rowHead(r, false))
}

// idLine is a permission's ID, and its note where the list has no room for it.
func (s *Screen) idLine(r row) string {
	note := s.note(r)
	if note != "" {
		note = " (" + note + ")"
	}
	id := fit(render.Reveal(r.p.ID), s.width-width(note))
	return s.style.Faint(id) + note
}

// openQuestions says what keeps the decision from being signed.
func (s *Screen) openQuestions() string {
	awaited, unread := s.awaited()
	var parts []string
	if n := len(awaited); n > 0 {
		parts = append(parts, fmt.Sprintf("%d special to be confirmed or denied", n))
	}
	if n := len(unread); n > 0 {
		parts = append(parts, fmt.Sprintf("%d dangerous not yet read", n))
	}
	if parts == nil {
		return "Everything is decided. Enter shows the summary, where it is signed."
	}
	return "Open: " + strings.Join(parts, ", ") + "."
}

// keys are the keys of the view, as many as there is room for.
func (s *Screen) keys() string {
	choices := map[view][]string{
		viewList: {
			"j/k move  Enter open  Space deny  c confirm  a all  s sign  ? keys  q leave",
			"Enter open  Space deny  c confirm  s sign  ? keys  q leave",
			"Space deny  s sign  ? keys  q leave",
			"s sign  ? keys  q leave",
		},
		viewDetail: {
			"j/k scroll  n/p next, previous  Space deny  c confirm  Esc back  q leave",
			"n/p next  c confirm  Esc back  q leave",
			"n/p next  Esc back  q leave",
		},
		viewSummary: {"Up/Down scroll  Enter  Esc back  Ctrl-C leave", "Enter  Esc back  Ctrl-C leave"},
		viewHelp:    {"j/k scroll  Esc back  q leave"},
	}[s.view]
	if s.typing {
		choices = []string{"Enter answer  Esc back  Up/Down scroll  Ctrl-C leave", "Enter  Esc back  Ctrl-C leave"}
	}
	for _, text := range choices {
		if width(text) <= s.width {
			return text
		}
	}
	return fit(choices[len(choices)-1], s.width)
}
