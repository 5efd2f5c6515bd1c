package cmd

import (
	"encoding/json"
	"errors"
	"time"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/spf13/cobra"

	"github.com/least-privilege/lpm/cmd/render"
	"github.com/least-privilege/lpm/manifest"
	"github.com/least-privilege/lpm/registry/artifact"
	"github.com/least-privilege/lpm/registry/review"
)

func newInspect(s *session) *cobra.Command {
	c := &cobra.Command{
		Use:   "inspect IMAGE",
		Short: "Show what an image asks for, in plain words",
		Long: `Inspect shows the newest manifest attached to an image: its permissions, the
worst first, and whether they are approved. Normal permissions are folded to a
line for each group, unless --all is given.

The image is looked for in the store and then, where IMAGE names a registry,
there. Without a manifest the exit code is 1.`,
		Args: needs("IMAGE"),
	}
	form := addOutput(c)
	all := c.Flags().Bool("all", false, "unfold normal permissions")
	insecure := c.Flags().Bool("insecure", false, "allow plain HTTP and certificates that nobody vouches for")
	c.RunE = func(c *cobra.Command, args []string) error {
		st, err := s.store()
		if err != nil {
			return err
		}
		p, err := s.place(c.Context(), st, args[0], *insecure)
		if err != nil {
			return err
		}
		records, err := s.records(st, p.target)
		if err != nil {
			return err
		}
		q, err := records.Open(c.Context(), p.Subject, time.Now())
		if none, ok := errors.AsType[*review.NoManifestError](err); ok && *form == asJSON {
			if err := s.term.JSON(inspection{Name: args[0], Image: p.Digest, Permissions: []manifest.Permission{}, Invalid: invalidOf(none.Invalid)}); err != nil {
				return err
			}
			return &exitError{code: exitFailed}
		}
		if err != nil {
			return err
		}
		if *form == asJSON {
			return s.inspectJSON(q)
		}
		s.printRequest(q)
		s.printPermissions(q.Permissions, *all)
		return nil
	}
	return c
}

// inspection is what inspect prints as JSON.
type inspection struct {
	Name  string  `json:"name"`
	Image v1.Hash `json:"image"`
	// Manifest is null where there is none.
	Manifest    *inspectedManifest    `json:"manifest"`
	Approval    *approvalState        `json:"approval,omitempty"`
	Permissions []manifest.Permission `json:"permissions"`
	Invalid     []invalidManifest     `json:"invalid,omitempty"`
}

// inspectedManifest is the artifact, and the document in it.
type inspectedManifest struct {
	Digest      v1.Hash         `json:"digest"`
	Created     time.Time       `json:"created,omitzero"`
	Permissions v1.Hash         `json:"permissions"`
	Document    json.RawMessage `json:"document"`
}

// approvalState says whether the image may run.
type approvalState struct {
	Approved bool      `json:"approved"`
	Problem  string    `json:"problem,omitempty"`
	Reviewer string    `json:"reviewer,omitempty"`
	Key      string    `json:"key,omitempty"`
	Time     time.Time `json:"time,omitzero"`
	Expires  time.Time `json:"expires,omitzero"`
	Denied   []string  `json:"denied,omitempty"`
}

// invalidManifest is what was attached as a manifest and is none.
type invalidManifest struct {
	Digest v1.Hash `json:"digest"`
	Error  string  `json:"error"`
}

func invalidOf(found []artifact.Found) []invalidManifest {
	var list []invalidManifest
	for _, f := range found {
		list = append(list, invalidManifest{f.Digest, f.Err.Error()})
	}
	return list
}

func (s *session) inspectJSON(q *review.Request) error {
	document, err := q.Found.Manifest.Canonical()
	if err != nil {
		return err
	}
	permissions, err := digestOf(q.Found.Manifest)
	if err != nil {
		return err
	}
	state := stateOf(q)
	return s.term.JSON(inspection{
		Name:  q.Subject.Name,
		Image: q.Subject.Digest,
		Manifest: &inspectedManifest{
			Digest: q.Found.Digest, Created: q.Found.Created, Permissions: permissions, Document: document,
		},
		Approval:    &state,
		Permissions: q.Permissions,
		Invalid:     invalidOf(q.Invalid),
	})
}

func stateOf(q *review.Request) approvalState {
	if q.Grant == nil {
		return approvalState{Problem: q.Refusal.Reason.Error()}
	}
	a := q.Grant.Approval
	return approvalState{
		Approved: true, Reviewer: a.Reviewer.Name, Key: a.Reviewer.Key,
		Time: a.Time, Expires: a.Expires, Denied: a.Denied,
	}
}

// printRequest prints what is asked of whom, and what was decided.
func (s *session) printRequest(q *review.Request) {
	s.term.Printf("%s\n", s.term.Bold(render.Escape(q.Subject.Name)))
	s.term.Printf("  image      %s\n", q.Subject.Digest)
	s.term.Printf("  manifest   %s%s\n", q.Found.Digest, attachedOn(q.Found.Created))
	s.printState(q)
	if q.Older > 0 {
		s.term.Printf("  older      %s, not looked at\n", count(q.Older, "manifest"))
	}
	for _, f := range q.Invalid {
		s.term.Printf("  %s    %s: %s\n", s.term.Red("invalid"), f.Digest, render.Escape(f.Err.Error()))
	}
	s.term.Printf("  asks for   %s\n", levelCounts(countLevels(q.Permissions)))
}

func attachedOn(created time.Time) string {
	if created.IsZero() {
		return ""
	}
	return ", by its own account of " + created.UTC().Format(dateTime)
}

const dateTime = "2006-01-02 15:04 MST"

func (s *session) printState(q *review.Request) {
	if q.Grant == nil {
		s.term.Printf("  approval   %s: %s\n", s.term.Red("none in force"), render.Escape(q.Refusal.Reason.Error()))
		for _, ignored := range q.Refusal.Ignored {
			s.term.Printf("             %s does not count: %s\n", ignored.Digest, render.Escape(ignored.Err.Error()))
		}
		return
	}
	a := q.Grant.Approval
	by := "key " + short("sha256:"+a.Reviewer.Key)
	if a.Reviewer.Name != "" {
		by = render.Escape(a.Reviewer.Name) + ", " + by
	}
	s.term.Printf("  approval   %s on %s by %s%s\n", s.term.Green("approved"), a.Time.UTC().Format(dateTime), by, until(a.Expires))
	for _, id := range a.Denied {
		s.term.Printf("             without %s\n", render.Escape(id))
	}
}

func until(expires time.Time) string {
	if expires.IsZero() {
		return ""
	}
	return ", until " + expires.UTC().Format(dateTime)
}
