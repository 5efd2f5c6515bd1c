package unpack

import (
	"errors"
	"fmt"
)

// errDestExists says that the destination was there before the job.
var errDestExists = errors.New("destination exists already")

// quote makes an entry's name fit to be shown: escaped, and cut where a layer
// would fill the screen with it.
func quote(name string) string {
	const most = 200
	if len(name) > most {
		return fmt.Sprintf("%q…", name[:most])
	}
	return fmt.Sprintf("%q", name)
}

// UnsafeError is a layer entry that no honest tool writes. Nothing of it was
// extracted.
type UnsafeError struct {
	// Entry is the entry's name as the layer has it, hostile bytes included.
	Entry string
	// Problem says what is wrong with it.
	Problem string
}

func (e *UnsafeError) Error() string {
	return fmt.Sprintf("layer entry %s: %s", quote(e.Entry), e.Problem)
}

// LimitBytes is the name of the bound on the sizes of all files.
const LimitBytes = "bytes"

// LimitError is a bound of [Limits] that a layer passed.
type LimitError struct {
	// Limit names the bound, such as "bytes" or "entries".
	Limit string
	// Max is the bound's value, in the unit of its field.
	Max int64
	// Entry is the entry that passed it, if one did.
	Entry string
}

func (e *LimitError) Error() string {
	if e.Entry == "" {
		return fmt.Sprintf("layer passes the limit of %d %s", e.Max, e.Limit)
	}
	return fmt.Sprintf("layer entry %s passes the limit of %d %s", quote(e.Entry), e.Max, e.Limit)
}

// MismatchError is content that is not what its digest says.
type MismatchError struct {
	// What is "blob" for stored bytes, "diff_id" for a layer's tar stream.
	What string
	// Want and Got are digests ("sha256:…").
	Want, Got string
}

func (e *MismatchError) Error() string {
	return fmt.Sprintf("%s %s holds other bytes: they hash to %s", e.What, e.Want, e.Got)
}

// OwnerError is a file whose owner does not exist in a range tree.
type OwnerError struct {
	Entry    string
	UID, GID int
}

func (e *OwnerError) Error() string {
	return fmt.Sprintf("layer entry %s: owner %d:%d is outside the ids 0 to %d", quote(e.Entry), e.UID, e.GID, MaxID)
}

// Hint says what a person can do about it.
func (e *OwnerError) Hint() string {
	return `use the identity mode "single" for this image, or rebuild it with ids up to 65535`
}
