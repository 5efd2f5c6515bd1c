package analyzer

import (
	"errors"
	"fmt"

	"github.com/least-privilege/lpm/analyzer/evidence"
)

// ErrNoRecords is returned for a proposal from nothing.
var ErrNoRecords = errors.New("there is no record to propose from")

// LossError is returned for a record that does not hold all that happened.
type LossError struct {
	Run  int // from 1
	Lost uint64
}

func (e *LossError) Error() string {
	return fmt.Sprintf("record %d lost %d events: what they needed is unknown", e.Run, e.Lost)
}

// Hint tells the way out.
func (e *LossError) Hint() string { return "record the run again" }

// ConflictError is returned for records that are not of the same thing.
type ConflictError struct {
	Run             int // from 1
	What            string
	Value, OtherHas string
	// Other is the record that Run is compared with, from 1.
	Other int
}

func (e *ConflictError) Error() string {
	return line(fmt.Sprintf("record %d is of %s %s, record %d of %s", e.Run, e.What, e.Value, e.Other, e.OtherHas))
}

// Hint tells the way out.
func (e *ConflictError) Hint() string {
	return "propose from the records of one image digest and one architecture"
}

// ForeignCallError is returned for calls of another architecture than the
// record's, which a manifest cannot allow.
type ForeignCallError struct {
	Run                  int // from 1
	Architecture, Native string
	Number               int
	Programs             []string
}

func (e *ForeignCallError) Error() string {
	return line(fmt.Sprintf("record %d has call %d of architecture %s%s; a manifest can allow %s only",
		e.Run, e.Number, e.Architecture, by(e.Programs), e.Native))
}

// UnknownCallError is returned for a call whose number, name or both are in
// no table: what it does cannot be judged.
type UnknownCallError struct {
	Run          int // from 1
	Architecture string
	Number       int
	Name         string
	Programs     []string
}

func (e *UnknownCallError) Error() string {
	name := ""
	if e.Name != "" {
		name = fmt.Sprintf(", recorded as %q,", e.Name)
	}
	return line(fmt.Sprintf("record %d has system call %d%s%s, which this version of lpm does not know on %s",
		e.Run, e.Number, name, by(e.Programs), e.Architecture))
}

// Hint tells the way out.
func (e *UnknownCallError) Hint() string {
	return "propose with a version of lpm that knows the call"
}

// agree checks that the records can be proposed from together.
func agree(records []*evidence.Record) error {
	if len(records) == 0 {
		return ErrNoRecords
	}
	first, libc := records[0], -1
	for i, r := range records {
		if err := r.Validate(); err != nil {
			return fmt.Errorf("record %d: %w", i+1, err)
		}
		if r.Lost > 0 {
			return &LossError{Run: i + 1, Lost: r.Lost}
		}
		if r.Image.Digest != first.Image.Digest {
			return &ConflictError{i + 1, "image", r.Image.Digest, first.Image.Digest, 1}
		}
		if r.Architecture != first.Architecture {
			return &ConflictError{i + 1, "architecture", r.Architecture, first.Architecture, 1}
		}
		// Of one image digest there is one C library, unless it lies on a
		// volume.
		switch {
		case r.Libc == "":
		case libc < 0:
			libc = i
		case r.Libc != records[libc].Libc:
			return &ConflictError{i + 1, "C library", r.Libc, records[libc].Libc, libc + 1}
		}
	}
	return nil
}
