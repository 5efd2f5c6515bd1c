package cmd

import (
	"context"
	"fmt"
	"slices"
	"time"

	v1 "github.com/google/go-containerregistry/pkg/v1"

	"github.com/least-privilege/lpm/analyzer"
	"github.com/least-privilege/lpm/analyzer/prove"
	"github.com/least-privilege/lpm/registry/artifact"
)

// maxTrials bounds all results of trials of an image that are read from where
// they are attached, in bytes.
const maxTrials = 4 * prove.MaxResultsSize

// keptTrials are the results of trials and where they were found.
type keptTrials struct {
	*prove.Results
	from string // a file's name, or an artifact's digest
}

// readTrials reads results that a person names, as lpm analyze --prove keeps
// them. One byte over the bound is enough for the decoder to refuse them.
func readTrials(files []string) ([]keptTrials, error) {
	var list []keptTrials
	for _, file := range files {
		data, err := readBounded(file, prove.MaxResultsSize)
		if err != nil {
			return nil, err
		}
		r, err := prove.DecodeResults(data)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", file, err)
		}
		list = append(list, keptTrials{r, file})
	}
	return list, nil
}

// checkTrials returns an error for trials of another image.
func checkTrials(list []keptTrials, image v1.Hash) error {
	for _, t := range list {
		if t.Image != image.String() {
			return &otherTrialsError{t.from, t.Image, image}
		}
	}
	return nil
}

// otherTrialsError are trials that say nothing about the image.
type otherTrialsError struct {
	from, is string
	image    v1.Hash
}

func (e *otherTrialsError) Error() string {
	return fmt.Sprintf("%s has trials of image %s, not of %s", e.from, e.is, e.image)
}

// Hint tells how to get right ones.
func (*otherTrialsError) Hint() string {
	return "trials are of one image digest: lpm analyze IMAGE --prove makes new ones"
}

// attachedTrials returns the results of trials that are attached to an image.
// What is attached there and is none is warned of and left out.
func (s *session) attachedTrials(ctx context.Context, t artifact.Target, image v1.Hash) ([]keptTrials, error) {
	items, err := artifact.List(ctx, artifact.Within(t, maxTrials), image, prove.ResultsMediaType, prove.MaxResultsSize)
	if err != nil {
		return nil, fmt.Errorf("looking for results of trials: %w", err)
	}
	var list []keptTrials
	for _, item := range items {
		r, err := (*prove.Results)(nil), item.Err
		if err == nil {
			r, err = prove.DecodeResults(item.Content)
		}
		kept := []keptTrials{{r, item.Digest.String()}}
		if err == nil {
			err = checkTrials(kept, image)
		}
		if err != nil {
			s.term.Warn("the trials %s are left out: %v", item.Digest, err)
			continue
		}
		list = append(list, kept...)
	}
	return list, nil
}

// attachTrials attaches results of trials to an image.
func attachTrials(ctx context.Context, t artifact.Target, image v1.Hash, list []keptTrials, now time.Time) ([]v1.Hash, error) {
	var attached []v1.Hash
	for _, r := range list {
		content, err := r.Encode()
		if err != nil {
			return nil, fmt.Errorf("%s: %w", r.from, err)
		}
		doc := artifact.Document{MediaType: prove.ResultsMediaType, Content: content, Created: now}
		digest, err := artifact.AttachOnce(ctx, artifact.Within(t, maxTrials), image, doc)
		if err != nil {
			return nil, fmt.Errorf("attaching %s: %w", r.from, err)
		}
		attached = append(attached, digest)
	}
	return attached, nil
}

// findings returns what trials have found, by the IDs of permissions. They are
// of several workloads: a permission is needed if one of these fails without
// it, and unneeded if none is known to need it and one passes without.
func findings(list []keptTrials) map[string]analyzer.Finding {
	all := map[string]analyzer.Finding{}
	rank := []analyzer.Need{analyzer.Undecided, analyzer.Unneeded, analyzer.Needed}
	for _, r := range list {
		for id, f := range r.Findings() {
			if before, ok := all[id]; !ok || slices.Index(rank, f.Need) > slices.Index(rank, before.Need) {
				all[id] = f
			}
		}
	}
	return all
}
