package review

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/least-privilege/lpm/manifest"
	"github.com/least-privilege/lpm/registry/approval"
)

// ErrDeclined is returned when the person said no.
var ErrDeclined = errors.New("nothing was approved")

// Person answers questions. An error ends the review.
type Person interface {
	// Allow answers whether an optional permission is granted.
	Allow(ctx context.Context, p manifest.Permission) (bool, error)
	// Accept answers whether a special permission, which the program cannot
	// do without, is granted.
	Accept(ctx context.Context, p manifest.Permission) (bool, error)
	// Approve answers whether everything that is left, of which none may be
	// denied, is granted.
	Approve(ctx context.Context, granted []manifest.Permission) (bool, error)
}

// Check holds answers given in advance against the request: what is denied
// must be optional, what is accepted must be granted.
func (q *Request) Check(c approval.Choice) error {
	granted, err := q.granted(c.Denied)
	if err != nil {
		return err
	}
	for _, id := range c.Accepted {
		if !slices.ContainsFunc(granted, func(p manifest.Permission) bool { return p.ID == id }) {
			return fmt.Errorf("accepting %q: %w", id, manifest.ErrUnknownPermission)
		}
	}
	return nil
}

// Unaccepted returns a [*approval.SpecialError] if the answers would grant a
// special permission that they do not name.
func (q *Request) Unaccepted(c approval.Choice) error {
	granted, err := q.granted(c.Denied)
	if err != nil {
		return err
	}
	var missing []string
	for _, p := range granted {
		if p.Level == manifest.Special && !slices.Contains(c.Accepted, p.ID) {
			missing = append(missing, p.ID)
		}
	}
	if missing != nil {
		return &approval.SpecialError{IDs: missing}
	}
	return nil
}

// Ask puts to a person what the answers given in advance leave open: each
// optional permission, each special one, and at last the whole. A no to
// what the program cannot do without is [ErrDeclined].
func (q *Request) Ask(ctx context.Context, who Person, c approval.Choice) (approval.Choice, error) {
	if err := q.Check(c); err != nil {
		return c, err
	}
	c.Denied, c.Accepted = slices.Clone(c.Denied), slices.Clone(c.Accepted)
	for _, p := range q.Permissions {
		if !p.Optional || slices.Contains(c.Denied, p.ID) || slices.Contains(c.Accepted, p.ID) {
			continue
		}
		allowed, err := who.Allow(ctx, p)
		switch {
		case err != nil:
			return c, err
		case !allowed:
			c.Denied = append(c.Denied, p.ID)
		case p.Level == manifest.Special:
			c.Accepted = append(c.Accepted, p.ID)
		}
	}
	granted, err := q.granted(c.Denied)
	if err != nil {
		return c, err
	}
	// Denying the network takes ports along that were accepted before.
	c.Accepted = slices.DeleteFunc(c.Accepted, func(id string) bool {
		return !slices.ContainsFunc(granted, func(p manifest.Permission) bool { return p.ID == id })
	})
	for _, p := range granted {
		if p.Level != manifest.Special || slices.Contains(c.Accepted, p.ID) {
			continue
		}
		if err := agreed(who.Accept(ctx, p)); err != nil {
			return c, err
		}
		c.Accepted = append(c.Accepted, p.ID)
	}
	return c, agreed(who.Approve(ctx, granted))
}

// agreed turns a no into an error.
func agreed(yes bool, err error) error {
	if err == nil && !yes {
		return ErrDeclined
	}
	return err
}

// granted returns the permissions that are left without the denied.
func (q *Request) granted(denied []string) ([]manifest.Permission, error) {
	m, err := q.Found.Manifest.Without(denied...)
	if err != nil {
		return nil, err
	}
	return m.Permissions(), nil
}
