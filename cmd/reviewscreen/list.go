package reviewscreen

import (
	"fmt"
	"strings"

	"github.com/least-privilege/lpm/cmd/render"
	"github.com/least-privilege/lpm/manifest"
)

func (s *Screen) pressList(key string) {
	r := s.rows[s.cursor]
	switch key {
	case "esc":
		s.end = left
	case "up", "k":
		s.cursor = s.next(s.cursor, -1)
	case "down", "j":
		s.cursor = s.next(s.cursor, 1)
	case "pgup", "ctrl+b":
		s.leap(-1)
	case "pgdown", "ctrl+f":
		s.leap(1)
	case "home", "g":
		s.cursor = s.next(-1, 1)
	case "end", "G":
		s.cursor = len(s.rows) - 1
	case "enter", "right", "l", "left", "h":
		s.enter(r, key)
	case "space", "d":
		s.deny(r)
	case "c":
		if r.kind == asked {
			s.view, s.scroll = viewDetail, 0
			s.startConfirming(r.p)
		} else {
			s.message = "Only special permissions are confirmed."
		}
	case "a":
		s.toggleAll()
	case "s":
		s.summarize()
	}
}

// leap moves the cursor by a window.
func (s *Screen) leap(direction int) {
	target := s.cursor + direction*max(s.frame().body-1, 1)
	for s.cursor != s.next(s.cursor, direction) && (target-s.cursor)*direction > 0 {
		s.cursor = s.next(s.cursor, direction)
	}
}

// enter opens what the cursor is on; left closes a group.
func (s *Screen) enter(r row, key string) {
	closes := key == "left" || key == "h"
	switch {
	case r.kind == group:
		s.open[r.key] = !closes && (key != "enter" || !s.open[r.key])
		s.build()
	case closes:
		if r.inside {
			s.closeAround()
		}
	case r.kind == proceed:
		s.summarize()
	default:
		s.view, s.scroll = viewDetail, 0
	}
}

// closeAround folds the group that the cursor is in.
func (s *Screen) closeAround() {
	for s.rows[s.cursor].kind != group {
		s.cursor--
	}
	s.open[s.rows[s.cursor].key] = false
	s.build()
}

// deny denies what the cursor is on, or takes that back.
func (s *Screen) deny(r row) {
	switch r.kind {
	case asked:
		s.toggle(r.p)
	case former:
		s.message = "It is not asked for any more: there is nothing to deny."
	case group:
		s.message = "Enter opens the group; what is in it is denied one by one."
	}
}

func (s *Screen) toggleAll() {
	if s.page.Request.Last == nil {
		s.message = "Nothing of its repository was approved before: there is no difference, and this is all."
		return
	}
	s.all = !s.all
	s.build()
}

// rowHead is what is before a row's text.
func (s *Screen) rowHead(r row, selected bool) string {
	head := "  "
	if selected {
		head = "> "
	}
	if r.inside {
		head += "  "
	}
	switch {
	case r.kind == group && s.open[r.key]:
		return head + "[-] "
	case r.kind == group:
		return head + "[+] "
	case r.kind == proceed:
		return head + "--> "
	}
	head += s.box(r) + " "
	if r.mark != "" {
		head += r.mark + " "
	}
	return head
}

// rowLine is a row in at most the window's width. Its note is left out where
// the title takes the room; the pane below has it too.
func (s *Screen) rowLine(i int) string {
	r := s.rows[i]
	if r.kind == heading {
		return s.style.Bold(fit(r.text, s.width))
	}
	head := s.rowHead(r, i == s.cursor)
	if r.kind != asked && r.kind != former {
		return fit(head+r.text, s.width)
	}
	room := s.width - width(head)
	title, note := fit(render.Reveal(r.p.Title), room), s.note(r)
	// In a wide window the note stays near.
	const widest = 100
	fill := min(room, max(widest-width(head), width(title)+2+width(note))) - width(title) - width(note)
	if note == "" || fill < 2 {
		return head + s.style.AtLevel(s.colourOf(r), title)
	}
	return head + s.style.AtLevel(s.colourOf(r), title) + s.style.Faint(strings.Repeat(" ", fill)+note)
}

// colourOf is the level in whose colour a row is: what is decided, or no longer
// asked for, does not call for attention.
func (s *Screen) colourOf(r row) manifest.Level {
	if r.kind == former || s.standing(r.p) == denied || s.standing(r.p) == fallen {
		return manifest.Normal
	}
	return r.p.Level
}

// box is the state of a row in three characters: in brackets what can be
// denied.
func (s *Screen) box(r row) string {
	if r.kind == former {
		return "   "
	}
	state := map[standing]string{granted: "x", denied: " ", fallen: ".", awaiting: "!"}[s.standing(r.p)]
	if r.p.Optional {
		return "[" + state + "]"
	}
	return " " + state + " "
}

// note is the state of a row in words.
func (s *Screen) note(r row) string {
	if r.kind == former {
		return "was"
	}
	words := ""
	if r.p.Level != manifest.Normal {
		words = r.p.Level.String()
	}
	if state := s.state(r.p); state != "" {
		words = strings.TrimPrefix(words+", "+state, ", ")
	}
	return words
}

// state says what was decided of a permission, or can be.
func (s *Screen) state(p manifest.Permission) string {
	switch s.standing(p) {
	case denied:
		if s.beforehand[p.ID] {
			return "denied as before"
		}
		return "denied"
	case fallen:
		return "falls away"
	case awaiting:
		return "not confirmed"
	}
	switch {
	case p.Level == manifest.Special:
		return "confirmed"
	case p.Optional:
		return "optional"
	}
	return ""
}

const dateTime = "2006-01-02 15:04 MST"

// compared says what the request is compared with.
func (s *Screen) compared() string {
	q := s.page.Request
	if q.Last == nil {
		return "Nothing of its repository was approved before."
	}
	last := fmt.Sprintf("what was approved on %s", q.Last.Time.UTC().Format(dateTime))
	switch {
	case len(q.Beyond()) == 0:
		return "It asks for nothing new, compared with " + last + "."
	case s.all:
		return "Everything it asks for; a shows the difference to " + last + "."
	}
	return "Compared with " + last + "; a shows everything."
}
