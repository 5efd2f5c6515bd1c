package cmd

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"runtime"
	"slices"
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
		Use:   "attach IMAGE [FILE]... [--evidence RECORD]... [--trials RESULTS]...",
		Short: "Keep a manifest, and records of runs, beside an image",
		Long: `Attach checks the manifest in FILE (.cue, .yaml, .yml or .json) and stores it as
an OCI artifact that refers to the image. With --evidence it stores the record of
a run too, as lpm analyze --evidence keeps it, from which lpm explain says what
each permission rests on. With --trials it stores what lpm analyze --prove has
found, the results.json of its folder, from which inspect and explain say what is
needed. With these alone, no manifest is attached.

It is written to the store, where the image is there, and to the registry, where
IMAGE names one: "localhost:5000/app" does, "app" and "team/app" do not. With
--local it is written to the store alone. To the newest manifest of an image,
attaching it again changes nothing, and neither does a record or a result that is
there.

Of an image for several platforms, a manifest belongs to the one that it is for.
Several files, one for each architecture, are attached in one go; before anything
is written, all of them have to fit.`,
		Args: needs("IMAGE", "[FILE...]"),
	}
	form := addOutput(c)
	var insecure, local bool
	c.Flags().BoolVar(&insecure, "insecure", false, "allow plain HTTP and certificates that nobody vouches for")
	c.Flags().BoolVar(&local, "local", false, "write to the store alone, also when IMAGE names a registry")
	files := c.Flags().StringArray("evidence", nil, "attach the `RECORD` of a run")
	tried := c.Flags().StringArray("trials", nil, "attach the `RESULTS` of trials")
	c.RunE = func(c *cobra.Command, args []string) error {
		if len(args) < 2 && len(*files)+len(*tried) == 0 {
			return usagef("see: lpm attach --help", "missing argument: FILE")
		}
		all, err := readDocuments(args[1:], *files)
		if err != nil {
			return err
		}
		trials, err := readTrials(*tried)
		if err != nil {
			return err
		}
		st, err := s.store()
		if err != nil {
			return err
		}
		if len(all) == 0 {
			all = []documents{{}} // of trials alone, which name their image
		}
		places := make([][]attachTarget, len(all))
		for i, what := range all {
			if places[i], err = s.attachTargets(c.Context(), st, args[0], what.arch, attachOptions{insecure, local, len(all) > 1}); err != nil {
				return err
			}
			if err := checkRecords(what.records, places[i][0].subject, what.arch); err != nil {
				return err
			}
		}
		if err := assign(trials, all, places); err != nil {
			return err
		}
		now := time.Now()
		var attached []attachment
		for i, what := range all {
			done, err := what.attachTo(c.Context(), args[0], places[i], now)
			if err != nil {
				return err
			}
			attached = append(attached, done...)
		}
		return s.printAttached(attached, *form)
	}
	return c
}

// attachTo attaches the documents in each place.
func (d documents) attachTo(ctx context.Context, image string, places []attachTarget, now time.Time) ([]attachment, error) {
	attached := make([]attachment, 0, len(places))
	for i, t := range places {
		// What is in the registry is brought to the store byte for byte,
		// so that an approval of the one is one of the other.
		if i > 0 {
			_, err := artifact.Copy(ctx, places[i-1].target, t.target, t.subject, manifest.MediaType, artifact.MaxPermissions)
			if err != nil {
				return nil, fmt.Errorf("bringing the manifests of %s to %s: %w", image, t.name, err)
			}
		}
		done, err := d.attach(ctx, t, now)
		if err != nil {
			return nil, fmt.Errorf("attaching to %s in %s: %w", image, t.name, err)
		}
		attached = append(attached, done)
	}
	return attached, nil
}

// documents are what is to be attached to the image of one architecture.
type documents struct {
	manifest *manifest.Manifest // or nil
	records  []keptRecord
	trials   []keptTrials
	// arch is empty where there are trials alone, which do not say.
	arch string
}

// readDocuments reads manifests, of which each is for an architecture of its
// own, and records. Of a record from which nothing can be proposed, nothing could
// be explained either.
func readDocuments(manifests, records []string) ([]documents, error) {
	var all []documents
	of := func(arch string) *documents {
		if i := slices.IndexFunc(all, func(d documents) bool { return d.arch == arch }); i >= 0 {
			return &all[i]
		}
		all = append(all, documents{arch: arch})
		return &all[len(all)-1]
	}
	for _, file := range manifests {
		m, err := readManifest(file)
		if err != nil {
			return nil, err
		}
		d := of(m.Syscalls.Architecture)
		if d.manifest != nil {
			return nil, usagef("", "%s is the second manifest for %s", file, d.arch)
		}
		d.manifest = m
	}
	read, err := readRecords(records)
	if err != nil {
		return nil, err
	}
	for _, r := range read {
		if _, err := analyzer.Propose([]*evidence.Record{r.Record}, analyzer.ImageFacts{}); err != nil {
			return nil, fmt.Errorf("%s: %w", r.from, err)
		}
		d := of(r.Architecture)
		d.records = append(d.records, r)
	}
	return all, nil
}

// assign puts trials to the documents of the image that they are of.
func assign(trials []keptTrials, all []documents, places [][]attachTarget) error {
	for _, t := range trials {
		i := slices.IndexFunc(places, func(p []attachTarget) bool { return p[0].subject.String() == t.Image })
		if i < 0 {
			return &otherTrialsError{t.from, t.Image, places[0][0].subject}
		}
		all[i].trials = append(all[i].trials, t)
	}
	return nil
}

func (d documents) attach(ctx context.Context, t attachTarget, now time.Time) (attachment, error) {
	done := attachment{Image: t.subject, To: t.name}
	var err error
	if d.manifest != nil {
		if done.Manifest, err = artifact.Attach(ctx, t.target, t.subject, d.manifest, now); err != nil {
			return done, err
		}
	}
	if done.Evidence, err = attachRecords(ctx, t.target, t.subject, d.records, now); err != nil {
		return done, err
	}
	done.Trials, err = attachTrials(ctx, t.target, t.subject, d.trials, now)
	return done, err
}

// attachment says what was attached where.
type attachment struct {
	Image v1.Hash `json:"image"`
	// Manifest is left out where none was attached.
	Manifest v1.Hash   `json:"manifest,omitzero"`
	Evidence []v1.Hash `json:"evidence,omitempty"`
	Trials   []v1.Hash `json:"trials,omitempty"`
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
		for _, digest := range a.Trials {
			s.term.Printf("attached trials %s in %s\n", digest, a.To)
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

// attachOptions say where a document belongs.
type attachOptions struct {
	insecure, local bool
	// several tells that there are documents for other architectures, of which
	// the store has no image.
	several bool
}

// attachTargets returns where the manifest of an image belongs, at least one
// place, the registry first: it may fail, and the store then stays as it is.
// Nothing is written before all of them are known to be right. arch is empty
// where what is to be written is for no architecture.
func (s *session) attachTargets(ctx context.Context, st *store.Store, text, arch string, o attachOptions) ([]attachTarget, error) {
	ref, err := reference.Parse(text)
	if err != nil {
		return nil, err
	}
	var targets []attachTarget
	img, err := s.image(st, text)
	switch inRegistry := ref.Kind == reference.Named && ref.Explicit && !o.local; {
	case err == nil && img.Architecture != arch && o.several && inRegistry:
		// The registry has the other platforms.
	case err == nil:
		if arch == "" {
			arch = img.Architecture
		}
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
	remote, err := artifact.NewRemote(ref, artifact.RemoteOptions{Insecure: o.insecure})
	if err != nil {
		return nil, err
	}
	digest, err := remote.Resolve(ctx, ref, cmp.Or(arch, runtime.GOARCH))
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
