package cmd

import (
	"context"
	"errors"
	"fmt"
	"time"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/spf13/cobra"

	"github.com/least-privilege/lpm/analyzer"
	"github.com/least-privilege/lpm/analyzer/evidence"
	"github.com/least-privilege/lpm/manifest"
	"github.com/least-privilege/lpm/registry/artifact"
	"github.com/least-privilege/lpm/registry/reference"
	"github.com/least-privilege/lpm/registry/store"
)

func newAttach(s *session) *cobra.Command {
	c := &cobra.Command{
		Use:   "attach IMAGE [FILE] [--evidence RECORD]...",
		Short: "Keep a manifest, and records of runs, beside an image",
		Long: `Attach checks the manifest in FILE (.cue, .yaml, .yml or .json) and stores it as
an OCI artifact that refers to the image. With --evidence it stores the record of
a run too, as lpm analyze --evidence keeps it, from which lpm explain says what
each permission rests on; with it alone, no manifest is attached.

It is written to the store, where the image is there, and to the registry, where
IMAGE names one: "localhost:5000/app" does, "app" and "team/app" do not. With
--local it is written to the store alone. To the newest manifest of an image,
attaching it again changes nothing, and neither does a record that is there.`,
		Args: needs("IMAGE", "[FILE]"),
	}
	form := addOutput(c)
	var insecure, local bool
	c.Flags().BoolVar(&insecure, "insecure", false, "allow plain HTTP and certificates that nobody vouches for")
	c.Flags().BoolVar(&local, "local", false, "write to the store alone, also when IMAGE names a registry")
	files := c.Flags().StringArray("evidence", nil, "attach the `RECORD` of a run")
	c.RunE = func(c *cobra.Command, args []string) error {
		if len(args) < 2 && len(*files) == 0 {
			return usagef("see: lpm attach --help", "missing argument: FILE")
		}
		what, err := readDocuments(args[1:], *files)
		if err != nil {
			return err
		}
		st, err := s.store()
		if err != nil {
			return err
		}
		targets, err := s.attachTargets(c.Context(), st, args[0], what.arch, insecure, local)
		if err != nil {
			return err
		}
		if err := checkRecords(what.records, targets[0].subject, what.arch); err != nil {
			return err
		}
		now := time.Now()
		attached := make([]attachment, 0, len(targets))
		for i, t := range targets {
			// What is in the registry is brought to the store byte for byte,
			// so that an approval of the one is one of the other.
			if i > 0 {
				_, err := artifact.Copy(c.Context(), targets[i-1].target, t.target, t.subject, manifest.MediaType, artifact.MaxPermissions)
				if err != nil {
					return fmt.Errorf("bringing the manifests of %s to %s: %w", args[0], t.name, err)
				}
			}
			done, err := what.attach(c.Context(), t, now)
			if err != nil {
				return fmt.Errorf("attaching to %s in %s: %w", args[0], t.name, err)
			}
			attached = append(attached, done)
		}
		return s.printAttached(attached, *form)
	}
	return c
}

// documents are what is to be attached to one image.
type documents struct {
	manifest *manifest.Manifest // or nil
	records  []keptRecord
	arch     string
}

// readDocuments reads a manifest, if one is named, and records. Of a record
// from which nothing can be proposed, nothing could be explained either.
func readDocuments(manifests, records []string) (documents, error) {
	var what documents
	var err error
	if what.records, err = readRecords(records); err != nil {
		return what, err
	}
	for _, r := range what.records {
		if _, err := analyzer.Propose([]*evidence.Record{r.Record}, analyzer.ImageFacts{}); err != nil {
			return what, fmt.Errorf("%s: %w", r.from, err)
		}
		what.arch = r.Architecture
	}
	if len(manifests) > 0 {
		if what.manifest, err = readManifest(manifests[0]); err != nil {
			return what, err
		}
		what.arch = what.manifest.Syscalls.Architecture
	}
	return what, nil
}

func (d documents) attach(ctx context.Context, t attachTarget, now time.Time) (attachment, error) {
	done := attachment{Image: t.subject, To: t.name}
	var err error
	if d.manifest != nil {
		if done.Manifest, err = artifact.Attach(ctx, t.target, t.subject, d.manifest, now); err != nil {
			return done, err
		}
	}
	done.Evidence, err = attachRecords(ctx, t.target, t.subject, d.records, now)
	return done, err
}

// attachment says what was attached where.
type attachment struct {
	Image v1.Hash `json:"image"`
	// Manifest is left out where only records were attached.
	Manifest v1.Hash   `json:"manifest,omitzero"`
	Evidence []v1.Hash `json:"evidence,omitempty"`
	To       string    `json:"to"`
}

func (s *session) printAttached(list []attachment, form output) error {
	if form == asJSON {
		return s.term.JSON(list)
	}
	for _, a := range list {
		if (a.Manifest != v1.Hash{}) {
			s.term.Printf("attached %s in %s\n", a.Manifest, a.To)
		}
		for _, digest := range a.Evidence {
			s.term.Printf("attached record %s in %s\n", digest, a.To)
		}
	}
	return nil
}

// attachTarget is a place where a manifest or a record is to be written.
type attachTarget struct {
	target  artifact.Target
	subject v1.Hash
	name    string
}

// attachTargets returns where the manifest of an image belongs, at least one
// place, the registry first: it may fail, and the store then stays as it is.
// Nothing is written before all of them are known to be right.
func (s *session) attachTargets(ctx context.Context, st *store.Store, text, arch string, insecure, local bool) ([]attachTarget, error) {
	ref, err := reference.Parse(text)
	if err != nil {
		return nil, err
	}
	var targets []attachTarget
	img, err := s.image(st, text)
	switch inRegistry := ref.Kind == reference.Named && ref.Explicit && !local; {
	case err == nil:
		if img.Architecture != arch {
			return nil, &architectureError{image: text, has: img.Architecture, wants: arch}
		}
		targets = append(targets, attachTarget{artifact.NewLocal(st), img.Digest, "the store"})
		if !inRegistry {
			return targets, nil
		}
	case !errors.Is(err, store.ErrNotFound) || !inRegistry:
		return nil, err
	}
	remote, err := artifact.NewRemote(ref, artifact.RemoteOptions{Insecure: insecure})
	if err != nil {
		return nil, err
	}
	digest, err := remote.Resolve(ctx, ref, arch)
	if err != nil {
		err = fmt.Errorf("looking for %s in its registry: %w", text, err)
		if len(targets) > 0 {
			err = &notInRegistryError{err}
		}
		return nil, err
	}
	if len(targets) > 0 && targets[0].subject != digest {
		return nil, &movedError{image: text, local: targets[0].subject, remote: digest}
	}
	return append([]attachTarget{{remote, digest, remote.String()}}, targets...), nil
}

// architectureError is a manifest for another architecture than its image's.
type architectureError struct{ image, has, wants string }

func (e *architectureError) Error() string {
	return fmt.Sprintf("%s is an image for %s, and what is to be attached is for %s", e.image, e.has, e.wants)
}

// notInRegistryError is an image of the store that its registry does not have
// or is not there to ask for.
type notInRegistryError struct{ error }

func (e *notInRegistryError) Unwrap() error { return e.error }

// Hint tells how to do without the registry.
func (*notInRegistryError) Hint() string { return "--local writes to the store alone" }

// movedError is a name that means one image in the store and another in its
// registry.
type movedError struct {
	image         string
	local, remote v1.Hash
}

func (e *movedError) Error() string {
	return fmt.Sprintf("%s is %s in the store and %s in its registry", e.image, e.local, e.remote)
}

func (e *movedError) Hint() string {
	return "lpm pull " + e.image + " brings the registry's image in; --local writes to the store alone"
}
