// Package prepared keeps a launch in the form in which it can be run at once.
//
// Preparing a launch takes a look at the image's tree, a plan, a layer and the
// compilation of filters; running it takes none of that. A [Launch] is what is
// left of preparing. It says what it was made from, so that whoever runs it can
// see whether that is still so: which programs of lpm, which state of the
// store, which machine. What differs is prepared anew and never guessed.
//
// A launch is two files. The first has what every run needs, with a digest
// over all of it; the second has the plan as a person reads it and the
// manifests that it was made of, and is read to print the plan, to name an
// operation that failed and to ask a person for more. Neither grants anything
// that the caller could not do anyway: they are the caller's own.
package prepared

import (
	"bytes"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"

	"github.com/least-privilege/lpm/enforcer/launch"
	"github.com/least-privilege/lpm/enforcer/plan"
	"github.com/least-privilege/lpm/enforcer/wire"
	"github.com/least-privilege/lpm/manifest"
)

// Launch is a prepared launch.
type Launch struct {
	Start
	Program *launch.Program

	details []byte
	plan    [sha256.Size]byte
}

// Start is what a launch begins with.
type Start struct {
	// Build identifies the programs of lpm that made it.
	Build string
	// Index is the SHA-256 of the store's index, which says what the image's
	// name means and which manifests and approvals there are.
	Index []byte
	// Tree is the image's tree, and TreeLock the file that is locked (flock,
	// shared) for as long as the tree is in use. Layer is the overlay layer.
	Tree, TreeLock, Layer string
	// Defaults is what the program is started with.
	Defaults plan.Defaults
	// TTY and Watch are the plan's.
	TTY, Watch bool
	// Early says that the details are needed to start the container; else
	// there is time for them while it is being made.
	Early bool
}

// Details is the part of a launch that is not needed at its very start.
type Details struct {
	// Plan is the plan without its operations, filters and layer.
	Plan *plan.Plan
	// Host is what the plan was made for.
	Host plan.Host
	// Approval is what lets the image run, in a form of the caller's.
	Approval []byte
	// Denied are the permissions that the reviewer denied.
	Denied []string
}

// Aside is the part of a launch that few runs need.
type Aside struct {
	// Filters are the plan's filters, compiled.
	Filters launch.Filters `json:"filters"`
	// Asked is the image's manifest, and Granted what of it was approved.
	Asked   *manifest.Manifest `json:"asked"`
	Granted *manifest.Manifest `json:"granted"`
}

// ErrDamaged is returned for files that are not as they were written.
var ErrDamaged = errors.New("the prepared launch is damaged")

// magic begins the first file. The number grows with every change of the form.
const magic = "lpm prepared launch 3\n"

// whole is the second file.
type whole struct {
	Plan *plan.Plan `json:"plan"`
	Aside
}

// Encode returns the two files of a launch. The plan is the whole one, of which
// the launch's program was compiled.
func (l *Launch) Encode(d Details, a Aside) (first, second []byte, err error) {
	if second, err = json.Marshal(whole{d.Plan, a}); err != nil {
		return nil, nil, fmt.Errorf("keeping a launch: %w", err)
	}
	l.plan = sha256.Sum256(second)
	lean := *d.Plan
	lean.Ops, lean.Init, lean.Filters, lean.Layer = nil, nil, nil, plan.Layer{}
	d.Plan = &lean
	var w wire.Writer
	w.Value(d)
	l.details = w.Result()

	w = wire.Writer{}
	w.Value(l.Start)
	w.Bytes(l.Program.Encode())
	w.Bytes(l.details)
	w.Bytes(l.plan[:])
	sum := sha256.Sum256(w.Result())
	return append(append([]byte(magic), sum[:]...), w.Result()...), second, nil
}

// Decode reads the first file. The error is [ErrDamaged].
func Decode(b []byte) (*Launch, error) {
	body, ok := bytes.CutPrefix(b, []byte(magic))
	if !ok || len(body) < sha256.Size || sha256.Sum256(body[sha256.Size:]) != [sha256.Size]byte(body) {
		return nil, ErrDamaged
	}
	l := &Launch{}
	r := wire.NewReader(body[sha256.Size:])
	r.Value(&l.Start)
	program := r.Bytes()
	l.details = r.Bytes()
	if copy(l.plan[:], r.Bytes()) != len(l.plan) || r.End() != nil {
		return nil, ErrDamaged
	}
	var err error
	if l.Program, err = launch.DecodeProgram(program); err != nil {
		return nil, fmt.Errorf("%w: %w", ErrDamaged, err)
	}
	return l, nil
}

// Details reads the part that is not needed at the very start.
func (l *Launch) Details() (Details, error) {
	var d Details
	r := wire.NewReader(l.details)
	r.Value(&d)
	if err := r.End(); err != nil || d.Plan == nil {
		return d, errors.Join(ErrDamaged, err)
	}
	return d, nil
}

// Plan reads the second file: the whole plan. It proves that the operations
// that the plan lists are those that the launch makes, by compiling them again.
func (l *Launch) Plan(second []byte) (*plan.Plan, error) {
	all, err := l.whole(second)
	if err != nil {
		return nil, err
	}
	again, err := launch.Compile(all.Plan, all.Filters)
	if err != nil {
		return nil, errors.Join(ErrDamaged, err)
	}
	if !bytes.Equal(again.Encode(), l.Program.Encode()) {
		return nil, fmt.Errorf("%w: it does not do what its plan says", ErrDamaged)
	}
	return all.Plan, nil
}

// Aside reads from the second file what few runs need.
func (l *Launch) Aside(second []byte) (Aside, error) {
	all, err := l.whole(second)
	return all.Aside, err
}

func (l *Launch) whole(second []byte) (all whole, err error) {
	if sha256.Sum256(second) != l.plan {
		return all, ErrDamaged
	}
	err = json.Unmarshal(second, &all)
	if err != nil || all.Plan == nil || all.Asked == nil || all.Granted == nil {
		return all, errors.Join(ErrDamaged, err)
	}
	return all, nil
}
