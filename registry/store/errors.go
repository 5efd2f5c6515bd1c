package store

import (
	"errors"
	"fmt"
	"strings"
)

// ErrNotFound is in the chain of errors about something the store does not
// have. See [*NotFoundError].
var ErrNotFound = errors.New("not in the store")

// NotFoundError says what the store does not have. It matches [ErrNotFound].
type NotFoundError struct {
	// What is "image" or "blob".
	What string
	// Ref is what was asked for.
	Ref string
}

func (e *NotFoundError) Error() string { return fmt.Sprintf("no %s %q in the store", e.What, e.Ref) }

// Is makes the error match [ErrNotFound].
func (e *NotFoundError) Is(target error) bool { return target == ErrNotFound }

// Hint says what a person can do about it.
func (e *NotFoundError) Hint() string {
	if e.What != "image" {
		return "load or pull the image again"
	}
	return "`lpm images` lists what is there; `lpm pull` and `lpm load` bring an image in"
}

// AmbiguousError is a short digest that fits several images.
type AmbiguousError struct {
	Ref string
	// Digests are those of the images that it fits.
	Digests []string
}

func (e *AmbiguousError) Error() string {
	return fmt.Sprintf("%q fits %d images: %s", e.Ref, len(e.Digests), strings.Join(e.Digests, ", "))
}

// Hint says what a person can do about it.
func (e *AmbiguousError) Hint() string { return "give more of the digest" }

// ErrNoRange says that range trees need a user namespace with a subordinate
// range of ids, and that there is none. See [*NoRangeError].
var ErrNoRange = errors.New("no subordinate ids")

// NoRangeError matches [ErrNoRange].
type NoRangeError struct{}

func (*NoRangeError) Error() string {
	return "the files' owners cannot be kept: no subordinate range of ids is available"
}

// Is makes the error match [ErrNoRange].
func (*NoRangeError) Is(target error) bool { return target == ErrNoRange }

// Hint says what a person can do about it.
func (*NoRangeError) Hint() string {
	return "install newuidmap (package uidmap) and give the user a range in /etc/subuid and /etc/subgid; `lpm doctor` shows what is missing"
}

// PlatformError is an image that has no variant for the architecture.
type PlatformError struct {
	Ref string
	// Want is the architecture asked for, such as "amd64".
	Want string
	// Have lists the platforms there are, as "linux/arm64".
	Have []string
}

func (e *PlatformError) Error() string {
	if len(e.Have) == 0 {
		return fmt.Sprintf("%s has no image for linux/%s", e.Ref, e.Want)
	}
	// What an index says of its platforms comes from outside.
	return fmt.Sprintf("%s has no image for linux/%s, only for %q", e.Ref, e.Want, e.Have)
}

// TagError is a name that no image of an OCI layout has.
type TagError struct {
	Tag string
	// Have lists the names there are, as the layout has them.
	Have []string
}

func (e *TagError) Error() string {
	const most = 10
	switch n := len(e.Have); {
	case n == 0:
		return fmt.Sprintf("no image is named %q in its index.json, nor anything else", e.Tag)
	case n > most:
		return fmt.Sprintf("no image is named %q in its index.json, only %q and %d more", e.Tag, e.Have[:most], n-most)
	}
	return fmt.Sprintf("no image is named %q in its index.json, only %q", e.Tag, e.Have)
}

// Hint says what a person can do about it.
func (*TagError) Hint() string {
	return "without a name behind the path, all images of the layout are loaded"
}

// FormatError is a source that is not what it should be, or is cut short.
type FormatError struct {
	// Source is the file or folder.
	Source string
	Err    error
}

func (e *FormatError) Error() string { return fmt.Sprintf("%s: %v", e.Source, e.Err) }

func (e *FormatError) Unwrap() error { return e.Err }

// Hint says what a person can do about it.
func (e *FormatError) Hint() string {
	var tag *TagError
	if errors.As(e.Err, &tag) {
		return tag.Hint()
	}
	return "`lpm load` takes an OCI layout (folder or tar) and what `docker save` writes, plain or gzip"
}

// OwnershipError is a store folder that is not the caller's alone.
type OwnershipError struct {
	Dir, Problem string
}

func (e *OwnershipError) Error() string { return fmt.Sprintf("store %s %s", e.Dir, e.Problem) }

// Hint says what a person can do about it.
func (e *OwnershipError) Hint() string {
	return "use a folder of your own: set XDG_DATA_HOME, or change the folder's owner and mode"
}

// DamagedError is an image in the store whose blobs are missing or changed.
type DamagedError struct {
	// Ref is the image's name or digest.
	Ref string
	Err error
}

func (e *DamagedError) Error() string { return fmt.Sprintf("image %s is damaged: %v", e.Ref, e.Err) }

func (e *DamagedError) Unwrap() error { return e.Err }

// Hint says what a person can do about it.
func (e *DamagedError) Hint() string { return "load or pull the image again" }
