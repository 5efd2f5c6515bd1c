package record

import "time"

// moving are the paths that calls on their way change: the recorder hears of a
// change before it is made, and what is found meanwhile may be what was there
// before. Nothing is kept of them until [settling] is over.
type moving []change

type change struct {
	path  string
	until time.Time
}

// maxMoving bounds the changes that are told apart.
const maxMoving = 64

// everything is above all paths.
const everything = "/"

// begin is told of a change to a path and all below it.
func (m *moving) begin(name string, now time.Time) {
	m.settle(now)
	if len(*m) == maxMoving {
		*m, name = (*m)[:0], everything
	}
	*m = append(*m, change{name, now.Add(settling)})
}

// settle leaves out what is over. The oldest changes come first.
func (m *moving) settle(now time.Time) {
	over := 0
	for over < len(*m) && !now.Before((*m)[over].until) {
		over++
	}
	*m = append((*m)[:0], (*m)[over:]...)
}

// covers reports whether a path is changing.
func (m *moving) covers(name string, now time.Time) bool {
	m.settle(now)
	for _, c := range *m {
		if below(c.path, name) {
			return true
		}
	}
	return false
}
