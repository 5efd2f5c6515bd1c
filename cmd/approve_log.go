package cmd

import (
	"cmp"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	v1 "github.com/google/go-containerregistry/pkg/v1"

	"github.com/least-privilege/lpm/registry/approval"
	"github.com/least-privilege/lpm/registry/artifact"
	"github.com/least-privilege/lpm/registry/reference"
	"github.com/least-privilege/lpm/registry/store"
)

// loggedDecision is a line of the log as JSON.
type loggedDecision struct {
	Repository string            `json:"repository"`
	Decision   approval.Decision `json:"decision,omitempty"`
	Time       time.Time         `json:"time,omitzero"`
	Reviewer   string            `json:"reviewer,omitempty"`
	Key        string            `json:"key,omitempty"`
	Image      v1.Hash           `json:"image,omitzero"`
	Manifest   v1.Hash           `json:"manifest,omitzero"`
	// Shown is what the reviewer was shown: "all", or the digest of the
	// permissions to which they saw the difference.
	Shown    string    `json:"shown,omitempty"`
	Granted  []string  `json:"granted,omitempty"`
	Denied   []string  `json:"denied,omitempty"`
	Accepted []string  `json:"accepted,omitempty"`
	Expires  time.Time `json:"expires,omitzero"`
	// Problem says why it does not count here. Unless that is "revoked",
	// nothing of it is proved.
	Problem string `json:"problem,omitempty"`
}

// approvalLog prints what was decided about the repository of an image, or
// about all.
func (s *session) approvalLog(args []string, form output) error {
	st, err := s.store()
	if err != nil {
		return err
	}
	records, err := s.records(st, artifact.NewLocal(st))
	if err != nil {
		return err
	}
	repositories, err := records.Ledger.Repositories()
	if err != nil {
		return err
	}
	if len(args) > 0 {
		of, err := s.repositoryNamed(st, args[0])
		if err != nil {
			return err
		}
		repositories = []string{of}
	}
	lines := []loggedDecision{}
	for _, repository := range repositories {
		logged, err := records.Ledger.Log(repository, records.Trust)
		if err != nil {
			return err
		}
		for _, l := range logged {
			lines = append(lines, loggedLine(l))
		}
	}
	slices.SortStableFunc(lines, func(a, b loggedDecision) int { return a.Time.Compare(b.Time) })
	markRevoked(lines)
	if form == asJSON {
		return s.term.JSON(lines)
	}
	s.printLog(lines)
	return nil
}

// repositoryNamed returns the repository of an image of the store, or of a name.
func (s *session) repositoryNamed(st *store.Store, text string) (string, error) {
	img, err := s.image(st, text)
	if err == nil {
		return subjectOf(img, text).Repository, nil
	}
	if !errors.Is(err, store.ErrNotFound) {
		return "", err
	}
	ref, err := reference.Parse(text)
	if err != nil {
		return "", err
	}
	return ref.Repository(), nil
}

func loggedLine(l approval.Logged) loggedDecision {
	line := loggedDecision{Repository: l.Repository}
	if l.Err != nil {
		line.Problem = l.Err.Error()
	}
	a := l.Approval
	if a == nil {
		return line
	}
	line.Decision, line.Time, line.Expires = a.Decision, a.Time, a.Expires
	line.Reviewer, line.Key = a.Reviewer.Name, a.Reviewer.Key
	line.Image, line.Manifest = a.ImageDigest, a.ManifestDigest
	line.Granted, line.Denied, line.Accepted = a.Granted, a.Denied, a.Accepted
	if a.Decision == approval.Approve {
		line.Shown = "all"
		if a.ShownAgainst != (v1.Hash{}) {
			line.Shown = a.ShownAgainst.String()
		}
	}
	return line
}

// markRevoked says of approvals that they were revoked, in lines in order of
// time.
func markRevoked(lines []loggedDecision) {
	type subject struct {
		repository string
		image      v1.Hash
	}
	revoked := map[subject]bool{}
	for i := range slices.Backward(lines) {
		l := &lines[i]
		of := subject{l.Repository, l.Image}
		switch {
		case l.Problem != "":
		case l.Decision == approval.Revoke:
			revoked[of] = true
		case revoked[of]:
			l.Problem = "revoked"
		}
	}
}

// printLog prints a line for each decision, and below it what a table has no
// room for.
func (s *session) printLog(lines []loggedDecision) {
	if len(lines) == 0 {
		s.term.Printf("nothing was decided yet\n")
		return
	}
	var rows [][]string
	for _, l := range lines {
		when := "-"
		if !l.Time.IsZero() {
			when = l.Time.UTC().Format(dateTime)
		}
		granted, denied, shown := "-", "-", "-"
		if l.Decision == approval.Approve {
			granted, denied, shown = strconv.Itoa(len(l.Granted)), cmp.Or(strings.Join(l.Denied, ", "), "-"), l.shownText()
		}
		rows = append(rows, []string{
			when, cmp.Or(string(l.Decision), "?"), cmp.Or(l.Repository, "(no name)"), short(l.Image.String()),
			cmp.Or(l.Reviewer, "-"), short("sha256:" + l.Key), granted, denied, shown, l.counts(),
		})
	}
	s.term.Table([]string{"TIME", "DECISION", "REPOSITORY", "IMAGE", "BY", "KEY", "GRANTED", "DENIED", "SHOWN", "COUNTS"}, rows)
}

func (l loggedDecision) shownText() string {
	if l.Shown == "all" {
		return l.Shown
	}
	return fmt.Sprintf("difference to %s", short(l.Shown))
}

func (l loggedDecision) counts() string {
	switch {
	case l.Problem != "":
		return "no: " + l.Problem
	case !l.Expires.IsZero() && time.Now().After(l.Expires):
		return "ended " + l.Expires.UTC().Format(dateTime)
	}
	return "yes"
}
