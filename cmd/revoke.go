package cmd

import (
	"fmt"
	"time"

	"github.com/spf13/cobra"

	"github.com/least-privilege/lpm/registry/artifact"
)

func newRevoke(s *session) *cobra.Command {
	c := &cobra.Command{
		Use:   "revoke IMAGE",
		Short: "Take the approval of an image back",
		Long: `Revoke voids every approval of an image of the store, whoever signed it. The
image does not start again until it is approved anew. Containers of it that run
already go on.`,
		Args: needs("IMAGE"),
	}
	form := addOutput(c)
	keyName := c.Flags().String("key", "", "sign with the key `NAME`, or the one in the file NAME where it has a slash")
	name := c.Flags().String("name", "", "your `NAME` for the record (default: that of your account)")
	c.RunE = func(c *cobra.Command, args []string) error {
		if *name == "" {
			*name = accountName()
		}
		st, err := s.store()
		if err != nil {
			return err
		}
		img, err := s.image(st, args[0])
		if err != nil {
			return err
		}
		records, err := s.records(st, artifact.NewLocal(st))
		if err != nil {
			return err
		}
		key, err := s.signingKey(*keyName)
		if err != nil {
			return err
		}
		a, err := records.Revoke(c.Context(), subjectOf(img, args[0]), *name, key, time.Now())
		if err != nil {
			return fmt.Errorf("revoking: %w", err)
		}
		return s.printDecision(args[0], a, *form)
	}
	return c
}
