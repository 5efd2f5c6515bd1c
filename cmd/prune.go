package cmd

import (
	"github.com/spf13/cobra"

	"github.com/least-privilege/lpm/cmd/render"
	"github.com/least-privilege/lpm/registry/store"
)

func newPrune(s *session) *cobra.Command {
	c := &cobra.Command{
		Use:   "prune",
		Short: "Free the space of what no image in the store needs",
		Long: `Prune removes images that lost their name to a newer one, what removed images
left behind, and what killed processes left half made. What a container uses
stays, and so do volumes and the approvals of images that lost their name.`,
		Args: needs(),
	}
	form := addOutput(c)
	c.RunE = func(c *cobra.Command, _ []string) error {
		st, err := s.store()
		if err != nil {
			return err
		}
		var report store.PruneReport
		err = s.during("pruning", func(func(int64, int64)) error {
			report, err = st.Prune(c.Context())
			return err
		})
		if printErr := s.printPruned(report, *form); err == nil {
			err = printErr
		}
		return err
	}
	return c
}

func (s *session) printPruned(r store.PruneReport, form output) error {
	if form == asJSON {
		return s.term.JSON(r)
	}
	for _, digest := range r.Images {
		s.term.Printf("removed the nameless image %s\n", digest)
	}
	s.term.Printf("freed %s: %d blobs, %d trees, %d preparations\n", render.Size(r.Bytes), r.Blobs, r.Trees, r.Prepared)
	for _, digest := range r.InUse {
		s.term.Printf("in use, and left alone: %s\n", digest)
	}
	return nil
}
