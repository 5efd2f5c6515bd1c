package reviewscreen

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/least-privilege/lpm/cmd/render"
	"github.com/least-privilege/lpm/manifest"
	"github.com/least-privilege/lpm/registry/approval"
)

// standing is how things stand with a permission that is asked for.
type standing int

const (
	granted  standing = iota
	denied            // by the person
	fallen            // not granted, since what it needs is denied
	awaiting          // special, and neither confirmed nor denied
)

func (s *Screen) standing(p manifest.Permission) standing {
	switch {
	case s.denied[p.ID]:
		return denied
	case !s.granted[p.ID]:
		return fallen
	case p.Level == manifest.Special && !s.confirmed[p.ID]:
		return awaiting
	}
	return granted
}

// denyAsBefore denies what was denied in the last approval: who said no to
// something must not say yes to it by looking away.
func (s *Screen) denyAsBefore() {
	last := s.page.Request.Last
	if last == nil {
		return
	}
	for _, id := range last.Denied {
		p, asked := s.permission(id)
		if !asked || !p.Optional || s.denied[id] || s.confirmed[id] || s.mayDeny(id) != nil {
			continue
		}
		s.denied[id], s.beforehand[id] = true, true
	}
}

// mayDeny returns why a permission cannot be denied besides those that are.
func (s *Screen) mayDeny(id string) error {
	return s.page.Request.Check(approval.Choice{Denied: append(slices.Collect(maps.Keys(s.denied)), id)})
}

// decided works out what is granted.
func (s *Screen) decided() {
	s.granted = map[string]bool{}
	m, err := s.page.Request.Found.Manifest.Without(slices.Sorted(maps.Keys(s.denied))...)
	if err != nil {
		// Nothing is granted by a choice that cannot be. Every change was
		// checked, so this is never seen.
		s.message = render.Reveal(err.Error())
		return
	}
	for _, p := range m.Permissions() {
		s.granted[p.ID] = true
	}
}

// toggle denies an optional permission, or takes that back.
func (s *Screen) toggle(p manifest.Permission) {
	switch {
	case s.denied[p.ID]:
		s.grantAgain(p)
	case !p.Optional:
		s.message = "Required: by its author's account the image does not work without it, so it cannot be denied alone. To refuse it, leave with q: nothing is approved then."
	default:
		if err := s.mayDeny(p.ID); err != nil {
			s.message = "It cannot be denied: " + reasonOf(err) + "."
			return
		}
		s.denied[p.ID] = true
		delete(s.confirmed, p.ID)
	}
	s.decided()
}

func (s *Screen) grantAgain(p manifest.Permission) {
	delete(s.denied, p.ID)
	if err := s.page.Request.Check(approval.Choice{Denied: slices.Collect(maps.Keys(s.denied))}); err != nil {
		s.denied[p.ID] = true
		s.message = "It cannot be granted as things are: " + reasonOf(err) + "."
		return
	}
	delete(s.beforehand, p.ID)
}

// reasonOf says why a denial is refused, without the machinery around it.
func reasonOf(err error) string {
	for _, known := range []error{manifest.ErrLastReadable, manifest.ErrStillAllowed, manifest.ErrRequired} {
		if errors.Is(err, known) {
			return known.Error()
		}
	}
	return render.Reveal(err.Error())
}

// longestWord is how long an ID may be that a person is asked to type.
const longestWord = 32

// word is what confirms a special permission: its ID, or where that is long or
// not to be typed on every keyboard, its kind and its number among the special
// ones. No ID is without a colon, so that no such word is another's ID.
func (s *Screen) word(p manifest.Permission) string {
	foreign := func(r rune) bool { return r <= ' ' || r > '~' }
	if len(p.ID) <= longestWord && !strings.ContainsFunc(p.ID, foreign) {
		return p.ID
	}
	kind, _, _ := strings.Cut(p.ID, ":")
	n := 0
	for _, other := range s.page.Request.Permissions {
		if other.Level == manifest.Special {
			n++
		}
		if other.ID == p.ID {
			break
		}
	}
	return fmt.Sprintf("%s-%d", kind, n)
}

// confirm takes what was typed for the confirmation of a permission.
func (s *Screen) confirm(p manifest.Permission, typed string) {
	if strings.TrimSpace(typed) != s.word(p) {
		s.message = fmt.Sprintf("That is not %s, so it is not confirmed.", s.word(p))
		return
	}
	s.confirmed[p.ID] = true
	s.message = "Confirmed. c takes that back."
}

// awaited are the special permissions that are neither confirmed nor denied,
// and unread the dangerous ones asked for anew that were not shown in full.
func (s *Screen) awaited() (awaited, unread []manifest.Permission) {
	beyond := map[string]bool{}
	for _, p := range s.page.Request.Beyond() {
		beyond[p.ID] = true
	}
	for _, p := range s.page.Request.Permissions {
		switch {
		case s.standing(p) == awaiting:
			awaited = append(awaited, p)
		case p.Level == manifest.Dangerous && beyond[p.ID] && s.granted[p.ID] && !s.seen[p.ID]:
			unread = append(unread, p)
		}
	}
	return awaited, unread
}

// remaining is what is granted.
func (s *Screen) remaining() []manifest.Permission {
	return slices.DeleteFunc(slices.Clone(s.page.Request.Permissions), func(p manifest.Permission) bool { return !s.granted[p.ID] })
}
