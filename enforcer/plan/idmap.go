package plan

import (
	"errors"
	"fmt"
	"math"
)

// rangeSize is how many ids a container with a range has, 0 to 65535.
const rangeSize = 65536

// ErrNoSubordinateIDs is returned where a range of ids is asked for and the
// account has too few subordinate ones.
var ErrNoSubordinateIDs error = noSubordinateIDs{}

type noSubordinateIDs struct{}

func (noSubordinateIDs) Error() string {
	return "the image needs a range of user ids, and this account has too few subordinate ids"
}

// Hint tells how to get some.
func (noSubordinateIDs) Hint() string {
	return "install uidmap (newuidmap, newgidmap), then: sudo usermod --add-subuids 100000-165535 --add-subgids 100000-165535 \"$USER\""
}

// UnmappedError says that the program's user has an id that a range lacks.
type UnmappedError struct{ ID uint32 }

func (e *UnmappedError) Error() string {
	return fmt.Sprintf("the user has the id %d, and a range of ids ends with %d", e.ID, rangeSize-1)
}

// Hint tells the way out.
func (e *UnmappedError) Hint() string {
	return "lpm run --user takes another; a manifest with identity: {mode: \"single\"} takes any, if the image needs one user only"
}

// RangeMap maps the container's id 0 to the caller's own and 1 to 65535 to
// its subordinate ids, as rootless engines do: what the container's root
// writes to a granted folder of the host belongs to the caller.
func RangeMap(own uint32, subordinate []IDMap) ([]IDMap, error) {
	maps := []IDMap{{Container: 0, Host: own, Size: 1}}
	next := uint32(1)
	for _, s := range subordinate {
		if next == rangeSize {
			break
		}
		if s.Size == 0 || s.Host > math.MaxUint32-s.Size {
			return nil, errors.New("a subordinate range is empty or past the last id")
		}
		size := min(s.Size, rangeSize-next)
		maps = append(maps, IDMap{Container: next, Host: s.Host, Size: size})
		next += size
	}
	if next < rangeSize {
		return nil, ErrNoSubordinateIDs
	}
	return maps, nil
}
