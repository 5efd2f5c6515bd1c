// Package reviewscreen is the terminal screen on which a person decides about
// a request.
//
// A [Screen] is a function of a [Page], the size of the window and the keys
// that were pressed: it knows no terminal, no clock and no file, so that tests
// drive it by keys and read its lines. [Run] connects it with a terminal.
//
// What holds of it:
//
//   - It ends with a choice that may be signed ([approval.Choice] with every
//     special permission that is granted confirmed by name), or with
//     [review.ErrDeclined]. Nothing but typing "yes" ends it with a choice.
//   - A special permission is confirmed by typing its word, never by one key,
//     and pasting types nothing.
//   - What is dangerous and asked for anew must have been on the screen, by its
//     whole title, before anything is signed.
//   - Everything from the request passes through [render.Reveal].
//   - No line is wider than the window, and none is below it.
package reviewscreen

import (
	"maps"
	"slices"

	"github.com/least-privilege/lpm/cmd/render"
	"github.com/least-privilege/lpm/manifest"
	"github.com/least-privilege/lpm/registry/approval"
	"github.com/least-privilege/lpm/registry/review"
)

// Page is what a person is shown.
type Page struct {
	Request *review.Request
	// Choice is what was answered in advance. The request's Check has
	// accepted it.
	Choice approval.Choice
	// Signer is the key that will sign, in words.
	Signer string
	// Facts are what else is known of permissions, by their IDs.
	Facts map[string][]Fact
	// All begins with everything, and not with the difference to what was
	// last approved.
	All bool
}

// Fact is a line of a permission's detail. It is not escaped.
type Fact struct{ Label, Text string }

// view is which part of the screen is in front.
type view int

const (
	viewList view = iota
	viewDetail
	viewSummary
	viewHelp
)

// outcome is how the screen ended.
type outcome int

const (
	running outcome = iota
	left
	signed
)

// Screen is the state of the screen. It is for one goroutine at a time.
type Screen struct {
	page          Page
	style         *render.Terminal
	width, height int

	view view
	// back is where help returns to.
	back view
	end  outcome

	all  bool
	rows []row
	open map[string]bool // the groups that are unfolded, by the keys of their rows
	// cursor is the index of a row, and top that of the first one shown.
	cursor, top int
	// scroll is the first line shown of a detail, a summary or the help.
	scroll int

	// granted is what is left once denied is taken out of what is asked for.
	denied, confirmed, granted map[string]bool
	// seen are the permissions that were on the screen by their whole titles.
	seen map[string]bool
	// beforehand are those that were denied in the last approval, and so
	// denied to begin with.
	beforehand map[string]bool

	// typing is set while text is being typed.
	typing  bool
	typed   string
	message string
}

// New returns a screen of the size that most terminals have. Style tells
// whether there is colour; nothing is printed to it.
func New(page Page, style *render.Terminal) *Screen {
	s := &Screen{
		page: page, style: style, width: 80, height: 24,
		all:  page.All || page.Request.Last == nil,
		open: map[string]bool{}, denied: map[string]bool{}, confirmed: map[string]bool{},
		seen: map[string]bool{}, beforehand: map[string]bool{},
	}
	for _, id := range page.Choice.Denied {
		s.denied[id] = true
	}
	for _, id := range page.Choice.Accepted {
		s.confirmed[id] = true
	}
	s.denyAsBefore()
	s.decided()
	s.build()
	s.settle()
	return s
}

// Resize gives the screen another size, in characters.
func (s *Screen) Resize(width, height int) {
	s.width, s.height = width, height
	s.settle()
}

// Press is a key. Key is its name, such as "up", "pgdown", "ctrl+c" or "j";
// text is what it types, and empty for one that types nothing.
func (s *Screen) Press(key, text string) {
	if s.end != running {
		return
	}
	s.message = ""
	switch {
	case key == "ctrl+c":
		s.end = left
	case s.tooSmall():
		if key == "q" || key == "esc" {
			s.end = left
		}
	case s.typing:
		s.pressTyping(key, text)
	case key == "q":
		s.end = left
	case key == "?":
		if s.view != viewHelp {
			s.back, s.view, s.scroll = s.view, viewHelp, 0
		}
	default:
		s.pressView(key)
	}
	s.settle()
}

func (s *Screen) pressView(key string) {
	switch s.view {
	case viewList:
		s.pressList(key)
	case viewDetail:
		s.pressDetail(key)
	case viewSummary:
		s.pressSummary(key)
	case viewHelp:
		s.pressHelp(key)
	}
}

// Pasted tells that text was pasted, which is no typing.
func (s *Screen) Pasted() {
	s.message = "Pasted text is left out: what confirms something is typed."
}

// Done reports whether the screen has ended.
func (s *Screen) Done() bool { return s.end != running }

// Choice returns what was decided once the screen is done, or
// [review.ErrDeclined].
func (s *Screen) Choice() (approval.Choice, error) {
	if s.end != signed {
		return approval.Choice{}, review.ErrDeclined
	}
	c := s.page.Choice
	c.Denied, c.Accepted = slices.Sorted(maps.Keys(s.denied)), nil
	for _, p := range s.page.Request.Permissions {
		if s.confirmed[p.ID] && s.granted[p.ID] {
			c.Accepted = append(c.Accepted, p.ID)
		}
	}
	slices.Sort(c.Accepted)
	return c, s.page.Request.Unaccepted(c)
}

// permission returns a permission that is asked for.
func (s *Screen) permission(id string) (manifest.Permission, bool) {
	i := slices.IndexFunc(s.page.Request.Permissions, func(p manifest.Permission) bool { return p.ID == id })
	if i < 0 {
		return manifest.Permission{}, false
	}
	return s.page.Request.Permissions[i], true
}
