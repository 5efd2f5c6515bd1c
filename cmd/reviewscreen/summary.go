package reviewscreen

import (
	"fmt"
	"strings"
	"unicode/utf8"

	"github.com/least-privilege/lpm/cmd/render"
	"github.com/least-privilege/lpm/manifest"
)

// agreement is what a person types to sign.
const agreement = "yes"

// maxTyped bounds what can be typed, in bytes.
const maxTyped = 256

// summarize goes to the summary, which asks for the signature where nothing is
// open.
func (s *Screen) summarize() {
	s.view, s.scroll = viewSummary, 0
	awaited, unread := s.awaited()
	s.typing, s.typed = len(awaited)+len(unread) == 0, ""
}

// pressSummary is a key where something is open.
func (s *Screen) pressSummary(key string) {
	switch key {
	case "esc", "left", "h", "backspace":
		s.view = viewList
	case "enter", "s":
		awaited, unread := s.awaited()
		s.show(append(awaited, unread...)[0])
	default:
		s.pressScroll(key)
	}
}

// show goes to a permission of the list, in whichever view has it.
func (s *Screen) show(p manifest.Permission) {
	s.view = viewList
	for _, all := range []bool{s.all, true} {
		s.all = all
		s.build()
		for i, r := range s.rows {
			if r.kind == asked && r.p.ID == p.ID {
				s.cursor = i
				return
			}
		}
	}
}

// pressTyping is a key while text is typed: a special permission's word, or the
// agreement.
func (s *Screen) pressTyping(key, text string) {
	switch {
	case key == "esc":
		s.typing, s.typed = false, ""
		if s.view == viewSummary {
			s.view = viewList
		}
	case key == "enter" && s.view == viewSummary:
		s.sign()
	case key == "enter":
		s.typing = false
		s.confirm(s.rows[s.cursor].p, s.typed)
	case key == "backspace" || key == "ctrl+h":
		_, last := utf8.DecodeLastRuneInString(s.typed)
		s.typed = s.typed[:len(s.typed)-last]
	case key == "ctrl+u":
		s.typed = ""
	case text != "":
		if len(s.typed)+len(text) <= maxTyped {
			s.typed += text
		}
	default:
		s.pressScroll(key)
	}
}

func (s *Screen) sign() {
	if typed := strings.TrimSpace(s.typed); typed != agreement {
		s.typed = ""
		s.message = "That is not yes: nothing is signed. Esc goes back, Ctrl-C leaves."
		return
	}
	s.end = signed
}

// typedLine shows what was typed.
func (s *Screen) typedLine() string {
	return s.style.Bold("> " + fitEnd(render.Reveal(s.typed), s.width-3) + "_")
}

// summaryText is what would be signed.
func (s *Screen) summaryText() []string {
	q := s.page.Request
	var lines []string
	add := func(label, text string) { lines = append(lines, wrap(label+" "+render.Reveal(text), s.width, 2)...) }
	list := func(label string, list []manifest.Permission) {
		if len(list) == 0 {
			return
		}
		lines = append(lines, wrap(label, s.width, 2)...)
		for _, p := range list {
			lines = append(lines, wrap("  "+render.Reveal(p.ID), s.width, 4)...)
		}
	}
	add("name", q.Subject.Name)
	add("grants", counts(s.remaining()))
	awaited, unread := s.awaited()
	list("open: special, neither confirmed nor denied", awaited)
	list("open: dangerous, not read", unread)
	list("confirmed", s.standingAt(granted, true))
	list("denied", s.standingAt(denied, false))
	list("falls away with what is denied", s.standingAt(fallen, false))
	lines = append(lines, "")
	add("key", s.page.Signer)
	if expires := s.page.Choice.Expires; expires.IsZero() {
		add("until", "revoked, or another decision")
	} else {
		add("until", expires.UTC().Format(dateTime))
	}
	if q.Grant == nil {
		add("now", q.Refusal.Reason.Error())
	} else {
		add("now", "approved on "+q.Grant.Approval.Time.UTC().Format(dateTime))
	}
	add("image", q.Subject.Digest.String())
	add("manifest", q.Found.Digest.String())
	if q.Older > 0 {
		add("older", fmt.Sprintf("manifests that are not looked at: %d", q.Older))
	}
	for _, f := range q.Invalid {
		add("invalid", f.Digest.String()+": "+f.Err.Error())
	}
	return lines
}

// standingAt returns the permissions that stand so; of the granted, the special
// ones.
func (s *Screen) standingAt(at standing, special bool) []manifest.Permission {
	var list []manifest.Permission
	for _, p := range s.page.Request.Permissions {
		if s.standing(p) == at && (!special || p.Level == manifest.Special) {
			list = append(list, p)
		}
	}
	return list
}

func (s *Screen) summaryPrompt() []string {
	var lines []string
	if s.message != "" {
		lines = append(lines, wrap(s.message, s.width, 0)...)
	}
	if !s.typing {
		return append(lines, wrap(s.openQuestions()+" Enter goes to the first.", s.width, 0)...)
	}
	lines = append(lines, wrap("To sign, type yes, then Enter.", s.width, 0)...)
	return append(lines, s.typedLine())
}
