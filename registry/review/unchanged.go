package review

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/least-privilege/lpm/registry/approval"
)

// ChangedError is returned for a decision about a request that is no longer
// what is there: it was made in sight of something else.
type ChangedError struct {
	Subject Subject
	// What are the changes, each a clause. There is at least one.
	What []string
}

func (e *ChangedError) Error() string {
	return "nothing was signed, for it is not as it was shown: " + strings.Join(e.What, "; ")
}

// Hint tells how to decide on what is there now.
func (e *ChangedError) Hint() string {
	return "see what it asks for now, and decide anew: lpm approve " + e.Subject.Name
}

// unchanged opens a request anew and holds it against the one that a person
// was shown. Between the two the person has read, for minutes perhaps, while
// others can attach a manifest, approve or revoke. Where anything differs the
// error is a [*ChangedError].
func (r Records) unchanged(ctx context.Context, shown *Request, now time.Time) error {
	again, err := r.Open(ctx, shown.Subject, now)
	if none, ok := errors.AsType[*NoManifestError](err); ok {
		return &ChangedError{Subject: shown.Subject, What: []string{none.Error()}}
	}
	if err != nil {
		return fmt.Errorf("looking again at what was shown: %w", err)
	}
	var what []string
	if same, err := samePermissions(shown, again); err != nil {
		return err
	} else if !same {
		what = append(what, fmt.Sprintf("its newest manifest is %s now, with other permissions", again.Found.Digest))
	} else if again.Found.Digest != shown.Found.Digest {
		what = append(what, fmt.Sprintf("its newest manifest is %s now, with the same permissions", again.Found.Digest))
	}
	if text := stateChange(shown, again); text != "" {
		what = append(what, text)
	}
	if text := historyChange(shown.Last, again.Last); text != "" {
		what = append(what, text)
	}
	if what != nil {
		return &ChangedError{Subject: shown.Subject, What: what}
	}
	return nil
}

// samePermissions compares what is asked for, in its canonical form. The
// request that was shown is in memory and could have been altered there.
func samePermissions(shown, again *Request) (bool, error) {
	before, err := shown.Found.Manifest.Digest()
	if err != nil {
		return false, fmt.Errorf("digest of the permissions that were shown: %w", err)
	}
	now, err := again.Found.Manifest.Digest()
	if err != nil {
		return false, fmt.Errorf("digest of the permissions: %w", err)
	}
	return before == now, nil
}

// stateChange says what became of the approval in force; "" for nothing.
func stateChange(shown, again *Request) string {
	switch {
	case shown.Grant == nil && again.Grant == nil:
		before, now := shown.Refusal, again.Refusal
		if before.Have != now.Have {
			return fmt.Sprintf("of the approvals that it needs it had %d, and has %d now", before.Have, now.Have)
		}
		if !errors.Is(now.Reason, before.Reason) {
			return fmt.Sprintf("it was not to run since %v, and now since %v", before.Reason, now.Reason)
		}
	case shown.Grant == nil:
		return fmt.Sprintf("it was approved on %s", again.Grant.Approval.Time.UTC().Format(time.RFC3339))
	case again.Grant == nil:
		return fmt.Sprintf("its approval is not in force any more: %v", again.Refusal.Reason)
	case !slices.EqualFunc(shown.Grant.Deciding, again.Grant.Deciding, func(a, b approval.Statement) bool { return bytes.Equal(a.Bundle, b.Bundle) }):
		return fmt.Sprintf("another approval is in force, of %s", again.Grant.Approval.Time.UTC().Format(time.RFC3339))
	}
	return ""
}

// historyChange says what became of the last approval of the repository, to
// which the difference was shown; "" for nothing.
func historyChange(shown, again *approval.Approval) string {
	switch {
	case shown == nil && again == nil:
	case shown == nil:
		return fmt.Sprintf("something of its repository was approved on %s", again.Time.UTC().Format(time.RFC3339))
	case again == nil:
		return "what it was compared with is revoked"
	case shown.PermissionsDigest != again.PermissionsDigest || !shown.Time.Equal(again.Time) || shown.Reviewer.Key != again.Reviewer.Key:
		return fmt.Sprintf("what it was compared with is no longer the last approval of its repository; that is of %s", again.Time.UTC().Format(time.RFC3339))
	}
	return ""
}
