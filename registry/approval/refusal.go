package approval

import (
	"errors"
	"fmt"
	"strings"

	v1 "github.com/google/go-containerregistry/pkg/v1"
)

// The reasons of a [Refusal].
var (
	// ErrNoTrust is the reason when no key is trusted.
	ErrNoTrust = errors.New("no key is trusted to approve anything")
	// ErrNotApproved is the reason when no trusted key approved the manifest.
	ErrNotApproved = errors.New("its permissions are not approved")
	// ErrTooFew is the reason when fewer keys approved than the rules want.
	ErrTooFew = errors.New("too few have approved its permissions")
	// ErrRevoked is the reason when the approval was revoked.
	ErrRevoked = errors.New("its approval was revoked")
	// ErrSuperseded is the reason when a newer manifest of the same image was
	// approved, which is not there: an older one is played back.
	ErrSuperseded = errors.New("a newer manifest of it was approved, which is missing here")
	// ErrExpired is the reason when the approval has ended.
	ErrExpired = errors.New("its approval has expired")
	// ErrNotYetValid is the reason when the approval's time lies ahead.
	ErrNotYetValid = errors.New("its approval is dated in the future")
)

// ErrWrongSubject is returned for an approval of something else.
var ErrWrongSubject = errors.New("the approval does not fit")

// Refusal says why an image must not run.
type Refusal struct {
	// Reason is one of the sentinels above.
	Reason error
	// Image is the digest of the image.
	Image v1.Hash
	// Name is what the hint calls the image; a caller that knows the name it
	// was asked for by may set it. Otherwise it is the digest.
	Name string
	// Approval is the statement that decided, if one did.
	Approval *Approval
	// Requirement is the rule that is not met, and Have how many of its keys
	// have approved; for ErrTooFew.
	Requirement Requirement
	Have        int
	// Other is, with ErrNotApproved, the newest approval of another manifest of
	// the image, if there is one that was not revoked. It grants nothing.
	Other *Approval
	// Ignored are bundles on the image that do not count, with their errors.
	Ignored []Statement
}

func (e *Refusal) Error() string {
	text := fmt.Sprintf("image %s: %s", e.name(), e.Why())
	switch {
	case !errors.Is(e.Reason, ErrNotApproved):
	case len(e.Ignored) == 1:
		text += fmt.Sprintf(" (an approval does not count: %v)", e.Ignored[0].Err)
	case len(e.Ignored) > 1:
		text += fmt.Sprintf(" (%d approvals do not count)", len(e.Ignored))
	}
	return text
}

// Why is the reason, with what there is to say of it.
func (e *Refusal) Why() string {
	text := e.Reason.Error()
	switch {
	case errors.Is(e.Reason, ErrExpired):
		text += " on " + e.Approval.Expires.Format("2006-01-02 15:04 MST")
	case errors.Is(e.Reason, ErrRevoked), errors.Is(e.Reason, ErrNotYetValid), errors.Is(e.Reason, ErrSuperseded):
		text += " (" + e.Approval.Time.Format("2006-01-02 15:04 MST") + ")"
	case errors.Is(e.Reason, ErrTooFew):
		text += fmt.Sprintf(" (%d of the %d that are needed)", e.Have, e.Requirement.Threshold)
	}
	return text
}

// Unwrap returns the reason.
func (e *Refusal) Unwrap() error { return e.Reason }

// Hint names the command that would help.
func (e *Refusal) Hint() string {
	switch {
	case errors.Is(e.Reason, ErrNoTrust):
		return "make a key of your own with: lpm key new"
	case errors.Is(e.Reason, ErrTooFew):
		return "one of these can approve it with lpm approve " + e.name() + ": " + namesOf(e.Requirement.Keys)
	case errors.Is(e.Reason, ErrSuperseded):
		return "bring the newer manifest back with lpm pull, or review this one anew with: lpm approve " + e.name()
	case errors.Is(e.Reason, ErrNotYetValid):
		return "compare this machine's clock with the reviewer's"
	}
	return "review what it asks for with: lpm approve " + e.name()
}

func (e *Refusal) name() string {
	if e.Name != "" {
		return e.Name
	}
	return e.Image.String()
}

// namesOf lists keys by the names under which they are trusted.
func namesOf(keys []PublicKey) string {
	var names []string
	for _, k := range keys {
		names = append(names, k.Name)
	}
	return strings.Join(names, ", ")
}
