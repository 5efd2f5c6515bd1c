package manifest

import (
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
)

// ErrArchitecture is returned for two manifests of different architectures.
var ErrArchitecture = errors.New("the manifests are for different architectures")

// ErrNothingReadable is returned where two manifests have no readable path in
// common: a manifest cannot say so, for an empty list means the whole image.
var ErrNothingReadable = errors.New("the manifests have no readable path in common")

// checkArchitectures returns an error unless both are of one architecture.
func checkArchitectures(a, b *Manifest) error {
	if x, y := a.Syscalls.Architecture, b.Syscalls.Architecture; x != y {
		return fmt.Errorf("%w: %q and %q", ErrArchitecture, x, y)
	}
	return nil
}

// and returns the note of what two permissions were joined into: the first
// reason that is given, and optional only where both were.
func (n Note) and(o Note) Note {
	if n.Reason == "" {
		n.Reason = o.Reason
	}
	n.Optional = n.Optional && o.Optional
	return n
}

// olderKernel returns the older of two releases, the one up to which the
// authors of both manifests knew the calls.
func olderKernel(a, b string) string {
	if slices.Compare(release(a), release(b)) <= 0 {
		return a
	}
	return b
}

// release returns the numbers of a kernel release such as "6.18".
func release(text string) []int {
	var numbers []int
	for part := range strings.SplitSeq(text, ".") {
		n, err := strconv.Atoi(part)
		if err != nil {
			return nil
		}
		numbers = append(numbers, n)
	}
	return numbers
}

// meetAll returns what each pair of two lists has in common.
func meetAll[T any](a, b []T, meet func(x, y T) (T, bool)) []T {
	var common []T
	for _, x := range a {
		for _, y := range b {
			if z, ok := meet(x, y); ok {
				common = append(common, z)
				if len(common) > MaxEntries*16 {
					return common // too many by far: Validate refuses it
				}
			}
		}
	}
	return common
}

// absorb drops entries that lie inside another one. A required entry stays
// beside an optional one that includes it, so that denying that takes nothing
// required away.
func absorb[T any](list []T, inside func(inner, outer T) bool, note func(T) Note) []T {
	if len(list) > MaxEntries*2 {
		return list // too many by far: Validate refuses it
	}
	under := func(x, y T) bool { return inside(x, y) && (note(x).Optional || !note(y).Optional) }
	var kept []T
	for i, x := range list {
		gone := false
		for j, y := range list {
			// Of two equal entries the first stays.
			if i != j && under(x, y) && (j < i || !under(y, x)) {
				gone = true
				break
			}
		}
		if !gone {
			kept = append(kept, x)
		}
	}
	return kept
}

// joinAll returns both lists, with entries of the same key joined into one.
func joinAll[T any](a, b []T, key func(T) string, join func(x, y T) T) []T {
	joined := slices.Clone(a)
	at := map[string]int{}
	for i, x := range a {
		at[key(x)] = i
	}
	for _, y := range b {
		if i, ok := at[key(y)]; ok {
			joined[i] = join(joined[i], y)
			continue
		}
		at[key(y)] = len(joined)
		joined = append(joined, y)
	}
	return joined
}

// syscallInside returns a comparison of two entries of one architecture.
func syscallInside(arch string) func(inner, outer Syscall) bool {
	return func(inner, outer Syscall) bool {
		if inner.Name != outer.Name {
			return false
		}
		i, err := inner.resolve(arch)
		if err != nil {
			return false
		}
		o, err := outer.resolve(arch)
		return err == nil && o.contains(i)
	}
}

func (e Egress) inside(outer Egress) bool {
	return e.Protocol == outer.Protocol && targetWithin(outer, e) && portsWithin(outer.Ports, e.Ports)
}
