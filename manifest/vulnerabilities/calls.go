package vulnerabilities

import "github.com/least-privilege/lpm/manifest"

// calls finds the entries of a manifest's calls that allow what a need names.
type calls struct {
	syscalls manifest.Syscalls
	byName   map[string][]int
	found    map[string][]int
}

func callsOf(m *manifest.Manifest) *calls {
	c := &calls{syscalls: m.Syscalls, byName: map[string][]int{}, found: map[string][]int{}}
	for i, s := range m.Syscalls.Allow {
		c.byName[s.Name] = append(c.byName[s.Name], i)
	}
	return c
}

// entries returns the first two entries that allow some of a call, by their
// indexes. With a third there is no more to say of a manifest with one of them
// taken away, and a hostile manifest has thousands.
func (c *calls) entries(text string) []int {
	if found, known := c.found[text]; known {
		return found
	}
	var found []int
	if a, err := parse(text); err == nil {
		for _, i := range c.byName[a.name] {
			one := manifest.Syscalls{Architecture: c.syscalls.Architecture, Allow: c.syscalls.Allow[i : i+1]}
			if one.Allows(a.name, a.when...) {
				found = append(found, i)
			}
			if len(found) == 2 {
				break
			}
		}
	}
	c.found[text] = found
	return found
}
