package prove

import (
	"fmt"
)

// describe names a group of candidates.
func (s *search) describe(group []int) string {
	text := s.Candidates[group[0]].ID
	if len(group) > 1 {
		text += fmt.Sprintf(" and %d others", len(group)-1)
	}
	return text
}

// tell reports how far the search is.
func (s *search) tell(next string) {
	// The last trials, of which one is made already.
	left := float64(s.Repeat - 1)
	if len(s.known) == 0 {
		left += float64(s.Repeat)
	}
	for _, group := range s.queue {
		whole := 1.0
		for _, i := range group {
			p := s.Candidates[i].Prior
			whole *= p
			left += 1 - p
		}
		// The group, and, where it is split, about two for each member.
		left += 1 + (1-whole)*2*float64(len(group)-1)
	}
	s.Progress(Progress{Done: len(s.known), Left: int(left + 0.5), Next: next})
}
