package cmd

import (
	"errors"
	"time"

	"github.com/spf13/cobra"

	"github.com/least-privilege/lpm/cmd/render"
	"github.com/least-privilege/lpm/registry/review"
)

func newInspect(s *session) *cobra.Command {
	c := &cobra.Command{
		Use:   "inspect IMAGE",
		Short: "Show what an image asks for, in plain words",
		Long: `Inspect shows the newest manifest attached to an image: whether it is approved,
by whom and until when, or why not; how much of the kernel it opens, beside what
Docker opens by default; and its permissions, the worst first. Normal permissions
are folded to a line for each group, unless --all is given.

Where records of runs are attached, as lpm attach --evidence does it, it says of
each permission in how many of the runs it was seen. One that is never seen may
be of no use, or the runs did not do everything that the image can do. Where
results of trials are attached, as lpm attach --trials does it, it says which
permissions the workload failed without.

The image is looked for in the store and then, where IMAGE names a registry,
there. Without a manifest the exit code is 1.

--html writes the same as a page for a wiki or a pull request: one file without
scripts, which loads nothing. It is there whole or not at all, and is a snapshot:
what it says of the approval is as of the time on it.`,
		Example: `  lpm inspect redis
  lpm inspect redis --html redis.html
  lpm inspect registry.example/redis:7 -o json`,
		Args: needs("IMAGE"),
	}
	form := addOutput(c)
	all := c.Flags().Bool("all", false, "unfold normal permissions")
	html := c.Flags().String("html", "", "write a page to `FILE`, with everything unfolded where it is printed (- for standard output)")
	insecure := c.Flags().Bool("insecure", false, "allow plain HTTP and certificates that nobody vouches for")
	c.RunE = func(c *cobra.Command, args []string) error {
		if c.Flags().Changed("html") {
			if err := checkPage(c, *html); err != nil {
				return err
			}
		}
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
		found, err := s.inspected(c.Context(), p, records, time.Now())
		if none, ok := errors.AsType[*review.NoManifestError](err); ok && *form == asJSON {
			if err := s.term.JSON(inspection{Name: args[0], Image: p.Digest, Permissions: []inspectedPermission{}, Invalid: invalidOf(none.Invalid)}); err != nil {
				return err
			}
			return &exitError{code: exitFailed}
		}
		if err != nil {
			return err
		}
		if *html != "" {
			return s.writePage(found, *html, time.Now())
		}
		if *form == asJSON {
			all, err := found.inspection()
			if err != nil {
				return err
			}
			return s.term.JSON(all)
		}
		s.printInspected(found, *all)
		return nil
	}
	return c
}

// printRequest prints what is asked of whom, and what was decided.
func (s *session) printRequest(q *review.Request) {
	s.term.Printf("%s\n", s.term.Bold(render.Escape(q.Subject.Name)))
	s.term.Printf("  image      %s\n", q.Subject.Digest)
	s.term.Printf("  manifest   %s%s\n", q.Found.Digest, attachedOn(q.Found.Created))
	s.printState(q)
	s.printAttachedBeside(q)
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
	state := stateOf(q)
	text := render.Escape(state.text())
	switch state.State {
	case standsApproved:
		s.term.Printf("  approval   %s %s\n", s.term.Green(state.word()), text)
	case standsRevoked, standsExpired:
		s.term.Printf("  approval   %s: %s %s\n", s.term.Red("none in force"), state.word(), text)
	default:
		s.term.Printf("  approval   %s: %s\n", s.term.Red("none in force"), text)
	}
	for _, other := range state.others {
		s.term.Printf("  approval   %s %s\n", s.term.Green(state.word()), render.Escape(other))
	}
	for _, ignored := range state.Ignored {
		s.term.Printf("             %s does not count: %s\n", ignored.Digest, render.Escape(ignored.Error))
	}
	for _, id := range state.Denied {
		s.term.Printf("             without %s\n", render.Escape(id))
	}
	if news := state.news(); news != "" {
		s.term.Printf("             %s\n", news)
	}
	if asOf := state.asOf(time.Now()); asOf != "" {
		s.term.Printf("  as of      %s\n", asOf)
	}
}
