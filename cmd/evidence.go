package cmd

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	v1 "github.com/google/go-containerregistry/pkg/v1"

	"github.com/least-privilege/lpm/analyzer"
	"github.com/least-privilege/lpm/analyzer/evidence"
	"github.com/least-privilege/lpm/analyzer/workload"
	"github.com/least-privilege/lpm/registry/artifact"
	"github.com/least-privilege/lpm/registry/store"
)

// maxEvidence bounds all records of an image that are read from where they
// are attached, in bytes. Whoever writes to a registry can attach any number.
const maxEvidence = 8 * evidence.MaxSize

// keptRecord is a record of a run and where it was found.
type keptRecord struct {
	*evidence.Record
	from string // a file's name, or an artifact's digest
}

// readRecords reads records that a person names.
func readRecords(files []string) ([]keptRecord, error) {
	records := make([]keptRecord, 0, len(files))
	for _, file := range files {
		r, err := readRecord(file)
		if err != nil {
			return nil, err
		}
		records = append(records, keptRecord{r, file})
	}
	return records, nil
}

// checkRecords returns an error for a record of another image or architecture.
func checkRecords(records []keptRecord, image v1.Hash, arch string) error {
	for _, r := range records {
		switch {
		case image != v1.Hash{} && r.Image.Digest != image.String():
			return &otherRecordError{r.from, "image " + r.Image.Digest, image.String()}
		case r.Architecture != arch:
			return &otherRecordError{r.from, "a run on " + r.Architecture, arch}
		}
	}
	return nil
}

// otherRecordError is a record that says nothing about what was asked for.
type otherRecordError struct{ from, is, wants string }

func (e *otherRecordError) Error() string {
	return fmt.Sprintf("%s is the record of %s, not of %s", e.from, e.is, e.wants)
}

// Hint tells how to get a right one.
func (*otherRecordError) Hint() string {
	return "a record is of one image digest: lpm analyze IMAGE --evidence FILE makes a new one"
}

// attachedRecords returns the records that are attached to an image. What is
// attached there and is no usable record is warned of and left out, for an
// image's explanation must not hang on what anyone attached to it.
func (s *session) attachedRecords(ctx context.Context, t artifact.Target, image v1.Hash, arch string) ([]keptRecord, error) {
	items, err := artifact.List(ctx, artifact.Within(t, maxEvidence), image, evidence.MediaType, evidence.MaxSize)
	if err != nil {
		return nil, fmt.Errorf("looking for records of runs: %w", err)
	}
	var records []keptRecord
	for _, item := range items {
		r, err := usable(item, image, arch)
		if err != nil {
			s.term.Warn("the record %s is left out: %v", item.Digest, err)
			continue
		}
		records = append(records, keptRecord{r, item.Digest.String()})
	}
	return records, nil
}

// usable returns the record of an artifact, from which alone something can be
// proposed.
func usable(item artifact.Item, image v1.Hash, arch string) (*evidence.Record, error) {
	if item.Err != nil {
		return nil, item.Err
	}
	r, err := evidence.Decode(item.Content)
	if err != nil {
		return nil, err
	}
	if err := checkRecords([]keptRecord{{r, "it"}}, image, arch); err != nil {
		return nil, err
	}
	_, err = analyzer.Propose([]*evidence.Record{r}, analyzer.ImageFacts{})
	return r, err
}

// agreeing returns those of the attached records from which, together with the
// named ones, something can be proposed. The others are warned of.
func (s *session) agreeing(attached, named []keptRecord) []keptRecord {
	if proposable(slices.Concat(named, attached)) == nil {
		return attached
	}
	var kept []keptRecord
	for _, r := range attached {
		if err := proposable(slices.Concat(named, kept, []keptRecord{r})); err != nil {
			s.term.Warn("the record %s is left out: it does not go with the others: %v", r.from, err)
			continue
		}
		kept = append(kept, r)
	}
	return kept
}

// proposable returns why nothing can be proposed from records; nil for none.
func proposable(records []keptRecord) error {
	if len(records) == 0 {
		return nil
	}
	_, err := analyzer.Propose(plainRecords(records), analyzer.ImageFacts{})
	return err
}

func plainRecords(records []keptRecord) []*evidence.Record {
	plain := make([]*evidence.Record, len(records))
	for i, r := range records {
		plain[i] = r.Record
	}
	return plain
}

// proposalOf proposes from records, with what the image's files say where the
// image is in the store. What the files do not say is warned of: an explanation
// is not worth less for it than without the image. Without records there is no
// proposal.
func (s *session) proposalOf(ctx context.Context, records []keptRecord) (*analyzer.Proposal, error) {
	if len(records) == 0 {
		return nil, nil
	}
	plain := plainRecords(records)
	st, err := s.store()
	if err != nil {
		return nil, err
	}
	facts, err := workload.Facts(ctx, st, plain)
	switch {
	case ctx.Err() != nil:
		return nil, ctx.Err()
	case err != nil && !errors.Is(err, store.ErrNotFound):
		s.term.Warn("the image's code was not looked at: %v", err)
	}
	return analyzer.Propose(plain, facts)
}

// attachRecords attaches records to an image.
func attachRecords(ctx context.Context, t artifact.Target, image v1.Hash, records []keptRecord, now time.Time) ([]v1.Hash, error) {
	var attached []v1.Hash
	for _, r := range records {
		content, err := r.Encode()
		if err != nil {
			return nil, fmt.Errorf("%s: %w", r.from, err)
		}
		doc := artifact.Document{MediaType: evidence.MediaType, Content: content, Created: now}
		digest, err := artifact.AttachOnce(ctx, artifact.Within(t, maxEvidence), image, doc)
		if err != nil {
			return nil, fmt.Errorf("attaching %s: %w", r.from, err)
		}
		attached = append(attached, digest)
	}
	return attached, nil
}
