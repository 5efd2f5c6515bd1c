package cmd

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/least-privilege/lpm/analyzer/evidence"
	"github.com/least-privilege/lpm/analyzer/prove"
	"github.com/least-privilege/lpm/manifest"
	"github.com/least-privilege/lpm/registry/approval"
	"github.com/least-privilege/lpm/registry/artifact"
	"github.com/least-privilege/lpm/registry/reference"
	"github.com/least-privilege/lpm/registry/store"
)

func newPull(s *session) *cobra.Command {
	c := &cobra.Command{
		Use:   "pull IMAGE",
		Short: "Bring an image from a registry into the store",
		Long: `Pull brings an image from a registry into the store, with the manifests,
approvals and records of runs that are attached to it there. Credentials come from the docker config.
An approval counts only if a key that you trust signed it.`,
		Args: needs("IMAGE"),
	}
	form := addOutput(c)
	var o store.PullOptions
	c.Flags().BoolVar(&o.Insecure, "insecure", false, "allow plain HTTP and certificates that nobody vouches for")
	c.Flags().StringVar(&o.Architecture, "arch", "", "take the image for `ARCH` (amd64, arm64) in place of this machine's")
	c.RunE = func(c *cobra.Command, args []string) error {
		if known := manifest.Architectures(); o.Architecture != "" && !slices.Contains(known, o.Architecture) {
			return usagef("one of: "+strings.Join(known, ", "), "--arch: unknown architecture %q", o.Architecture)
		}
		ref, err := reference.Parse(args[0])
		if err != nil {
			return err
		}
		if ref.Kind != reference.Named {
			return usagef("bring it in with: lpm load "+args[0], "%s is not in a registry", args[0])
		}
		st, err := s.store()
		if err != nil {
			return err
		}
		var img store.Image
		err = s.during("pulling "+args[0], func(update func(done, total int64)) error {
			o.Progress = update
			if img, err = st.Pull(c.Context(), args[0], o); err != nil {
				return err
			}
			if err := copyArtifacts(c.Context(), st, ref, img, o.Insecure); err != nil {
				return err
			}
			return s.remember(c.Context(), st, img, time.Now())
		})
		if err != nil {
			return err
		}
		return s.printImages([]store.Image{img}, *form)
	}
	return c
}

// remember puts the decisions that came with an image into the ledger.
func (s *session) remember(ctx context.Context, st *store.Store, img store.Image, asked time.Time) error {
	records, err := s.records(st, artifact.NewLocal(st))
	if err != nil {
		return err
	}
	return records.Remember(ctx, subjectOf(img, nameOf(img)), asked)
}

// copyArtifacts brings what a registry has attached to an image into the store.
func copyArtifacts(ctx context.Context, st *store.Store, ref reference.Reference, img store.Image, insecure bool) error {
	remote, err := artifact.NewRemote(ref, artifact.RemoteOptions{Insecure: insecure})
	if err != nil {
		return err
	}
	return bringArtifacts(ctx, remote, artifact.NewLocal(st), img)
}

// bringArtifacts copies what is attached to an image, and of use to lpm.
func bringArtifacts(ctx context.Context, from artifact.Source, to artifact.Target, img store.Image) error {
	if _, err := artifact.Copy(ctx, from, to, img.Digest, manifest.MediaType, artifact.MaxPermissions); err != nil {
		return fmt.Errorf("copying the manifests of %s: %w", nameOf(img), err)
	}
	if _, err := artifact.Copy(ctx, from, to, img.Digest, approval.BundleMediaType, approval.MaxBundle); err != nil {
		return fmt.Errorf("copying the approvals of %s: %w", nameOf(img), err)
	}
	if _, err := artifact.Copy(ctx, artifact.Within(from, maxEvidence), to, img.Digest, evidence.MediaType, evidence.MaxSize); err != nil {
		return fmt.Errorf("copying the records of %s: %w", nameOf(img), err)
	}
	if _, err := artifact.Copy(ctx, artifact.Within(from, maxTrials), to, img.Digest, prove.ResultsMediaType, prove.MaxResultsSize); err != nil {
		return fmt.Errorf("copying the trials of %s: %w", nameOf(img), err)
	}
	return nil
}
