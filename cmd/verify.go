package cmd

import (
	"github.com/spf13/cobra"

	"github.com/least-privilege/lpm/cmd/render"
	"github.com/least-privilege/lpm/registry/store"
)

func newVerify(s *session) *cobra.Command {
	c := &cobra.Command{
		Use:   "verify",
		Short: "Read all images in the store, and hold them against their digests",
		Long: `Verify reads every byte of the images in the store, and of what is kept beside
them, and holds it against the digests. What is damaged is named; loading or
pulling the image again mends it. Unpacked trees are not read: lpm prune and the
next run make new ones.

Exit codes: 0 all is sound, 1 something is damaged, or there was an error, 2 the
command line is wrong.`,
		Args: needs(),
	}
	form := addOutput(c)
	c.RunE = func(c *cobra.Command, _ []string) error {
		st, err := s.store()
		if err != nil {
			return err
		}
		var found store.Verified
		err = s.during("verifying", func(update func(done, total int64)) error {
			found, err = st.VerifyAll(c.Context(), update)
			return err
		})
		if err != nil {
			return err
		}
		if err := s.printVerified(found, *form); err != nil {
			return err
		}
		if len(found.Damaged) > 0 {
			return &exitError{code: exitFailed}
		}
		return nil
	}
	return c
}

func (s *session) printVerified(v store.Verified, form output) error {
	if form == asJSON {
		return s.term.JSON(v)
	}
	for _, d := range v.Damaged {
		s.term.Printf("%s %s: %s\n", s.term.Red("damaged:"), render.Escape(d.Ref), render.Escape(d.Reason))
	}
	s.term.Printf("read %s of %d images and what belongs to them: ", render.Size(v.Bytes), v.Images)
	if len(v.Damaged) == 0 {
		s.term.Printf("all is sound\n")
		return nil
	}
	s.term.Printf("%d damaged; load or pull them again\n", len(v.Damaged))
	return nil
}
