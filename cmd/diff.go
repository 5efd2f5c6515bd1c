package cmd

import (
	"errors"
	"strconv"
	"time"

	"github.com/spf13/cobra"

	"github.com/least-privilege/lpm/cmd/render"
	"github.com/least-privilege/lpm/manifest"
)

// The verdicts of diff, beside exitUsage.
const (
	exitWider       = 1
	exitNotCompared = 3
)

// errNoneBefore is returned where there is nothing to compare with.
var errNoneBefore = errors.New("nothing of its repository was approved before, so there is no difference to show")

func newDiff(s *session) *cobra.Command {
	c := &cobra.Command{
		Use:   "diff [OLD] NEW",
		Short: "Show how two manifests differ",
		Long: `Diff shows what a manifest asks for that another does not, and what it no longer
asks for. OLD and NEW are images, which stand for the newest manifest attached to
them, or files (.cue, .yaml, .yml, .json), or digests of manifests, as lpm attach
and lpm inspect print them: sha256:DIGEST in the store, REPOSITORY@sha256:DIGEST in
a registry. Without OLD, the image NEW is compared with what was last approved of
its repository. As markdown it is meant for a comment on a pull request.

Exit codes: 0 NEW asks for nothing that OLD did not, 1 it asks for more, 2 the
command line is wrong, 3 there was an error.`,
		Args:        needs("[OLD]", "NEW"),
		Annotations: map[string]string{failureCode: strconv.Itoa(exitNotCompared), usageCode: strconv.Itoa(exitUsage)},
	}
	form := addOutput(c, asMarkdown)
	insecure := c.Flags().Bool("insecure", false, "allow plain HTTP and certificates that nobody vouches for")
	c.RunE = func(c *cobra.Command, args []string) error {
		var before, after *manifest.Manifest
		var err error
		if len(args) == 1 {
			before, after, err = s.sinceApproval(c, args[0], *insecure)
		} else {
			before, after, err = s.bothManifests(c, args[0], args[1], *insecure)
		}
		if err != nil {
			return err
		}
		d := manifest.Compare(before, after)
		if err := s.printDifference(d, *form); err != nil {
			return err
		}
		if d.Wider() {
			return &exitError{code: exitWider}
		}
		return nil
	}
	return c
}

func (s *session) bothManifests(c *cobra.Command, before, after string, insecure bool) (a, b *manifest.Manifest, err error) {
	if a, err = s.comparedManifest(c.Context(), before, insecure); err != nil {
		return nil, nil, err
	}
	b, err = s.comparedManifest(c.Context(), after, insecure)
	return a, b, err
}

// sinceApproval returns what was last approved of an image's repository, and
// what the image asks for now.
func (s *session) sinceApproval(c *cobra.Command, image string, insecure bool) (before, after *manifest.Manifest, err error) {
	if isFile(image) {
		return nil, nil, usagef("name two manifests", "%s is a file, and has no history", image)
	}
	st, err := s.store()
	if err != nil {
		return nil, nil, err
	}
	p, err := s.place(c.Context(), st, image, insecure)
	if err != nil {
		return nil, nil, err
	}
	records, err := s.records(st, p.target)
	if err != nil {
		return nil, nil, err
	}
	q, err := records.Open(c.Context(), p.Subject, time.Now())
	if err != nil {
		return nil, nil, err
	}
	if q.Before == nil {
		return nil, nil, errNoneBefore
	}
	return q.Before, q.Found.Manifest, nil
}

// difference is what diff prints as JSON.
type difference struct {
	Wider bool `json:"wider"`
	manifest.Diff
}

func (s *session) printDifference(d manifest.Diff, form output) error {
	switch form {
	case asJSON:
		return s.term.JSON(difference{d.Wider(), d})
	case asMarkdown:
		s.printMarkdown(d)
		return nil
	}
	if !d.Wider() {
		s.term.Printf("asks for nothing new\n")
	}
	s.printDiff(d)
	return nil
}

// printDiff prints changes, the new permissions in full.
func (s *session) printDiff(d manifest.Diff) {
	s.printChanges("Added", d.Added, true)
	s.printChanges("Widened", d.Widened, true)
	s.printChanges("Narrowed", d.Narrowed, false)
	s.printChanges("No longer asked for", d.Removed, false)
}

func (s *session) printChanges(heading string, changes []manifest.Change, full bool) {
	if len(changes) == 0 {
		return
	}
	s.term.Printf("\n%s\n", s.term.Bold(heading))
	for _, c := range changes {
		for _, p := range c.Before {
			s.term.Printf("  - %s\n", render.Reveal(p.Title))
		}
		for _, p := range c.After {
			if full {
				s.printPermission(p, p.Level.String())
			} else {
				s.term.Printf("  + %s\n", render.Reveal(p.Title))
			}
		}
	}
}
