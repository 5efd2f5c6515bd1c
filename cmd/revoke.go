package cmd

import (
	"context"
	"fmt"
	"time"

	"github.com/spf13/cobra"

	"github.com/least-privilege/lpm/registry/artifact"
	"github.com/least-privilege/lpm/registry/store"
)

func newRevoke(s *session) *cobra.Command {
	c := &cobra.Command{
		Use:   "revoke IMAGE",
		Short: "Take the approval of an image back",
		Long: `Revoke voids every approval of an image of the store, whoever signed it. The
image does not start again until it is approved anew. Containers of it that run
already go on.

With --publish the revocation is written to the image's registry too, also where
the image is not in the store. Others learn of it when they pull the image
again; lpm inspect says how old what it knows is.`,
		Args: needs("IMAGE"),
	}
	form := addOutput(c)
	o := addPublish(c)
	signer := addKey(c)
	name := c.Flags().String("name", "", "your `NAME` for the record (default: that of your account)")
	c.RunE = func(c *cobra.Command, args []string) error {
		if *name == "" {
			*name = accountName()
		}
		st, err := s.store()
		if err != nil {
			return err
		}
		p, err := s.decisionPlace(c.Context(), st, args[0], o)
		if err != nil {
			return err
		}
		records, err := s.records(st, p.target)
		if err != nil {
			return err
		}
		if !p.remote {
			if records.Publish, err = o.place(c.Context(), args[0], p.Digest); err != nil {
				return err
			}
		}
		key, err := s.signingKey(c.Context(), signer)
		if err != nil {
			return err
		}
		a, err := records.Revoke(c.Context(), p.Subject, *name, key, time.Now())
		if err != nil {
			return fmt.Errorf("revoking: %w", err)
		}
		return s.printDecision(args[0], a, *form)
	}
	return c
}

// decisionPlace finds an image: in the store or, where a decision on it is to
// be published, in its registry.
func (s *session) decisionPlace(ctx context.Context, st *store.Store, text string, o *publishFlags) (place, error) {
	if o.publish {
		return s.place(ctx, st, text, o.insecure)
	}
	img, err := s.image(st, text)
	if err != nil {
		return place{}, err
	}
	return place{Subject: subjectOf(img, text), target: artifact.NewLocal(st)}, nil
}
