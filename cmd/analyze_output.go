package cmd

import (
	"context"
	"errors"
	"fmt"

	"github.com/least-privilege/lpm/analyzer"
	"github.com/least-privilege/lpm/analyzer/evidence"
	"github.com/least-privilege/lpm/analyzer/workload"
	"github.com/least-privilege/lpm/manifest"
	"github.com/least-privilege/lpm/registry/store"
)

// proposeAgain proposes from records that were kept.
func (s *session) proposeAgain(ctx context.Context, f analyzeFlags) error {
	st, err := s.store()
	if err != nil {
		return err
	}
	records, err := recordsFrom(f.from)
	if err != nil {
		return err
	}
	facts, err := workload.Facts(ctx, st, records)
	if errors.Is(err, store.ErrNotFound) {
		s.term.Warn("image %s is not in the store, so that the volumes it declares are unknown", records[0].Image.Digest)
	} else if err != nil {
		return err
	}
	return s.propose(records, facts, f)
}

func recordsFrom(files []string) ([]*evidence.Record, error) {
	var records []*evidence.Record
	for _, file := range files {
		r, err := readRecord(file)
		if err != nil {
			return nil, err
		}
		records = append(records, r)
	}
	return records, nil
}

// readRecord reads what --evidence has kept. One byte over the bound is enough
// for the decoder to refuse it.
func readRecord(file string) (*evidence.Record, error) {
	data, err := readBounded(file, evidence.MaxSize)
	if err != nil {
		return nil, err
	}
	r, err := evidence.Decode(data)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", file, err)
	}
	return r, nil
}

// propose makes a proposal and prints it, or writes it to a file.
func (s *session) propose(records []*evidence.Record, facts analyzer.ImageFacts, f analyzeFlags) error {
	p, err := analyzer.Propose(records, facts)
	if err != nil {
		return err
	}
	for _, w := range p.Warnings {
		s.term.Warn("%s", w)
	}
	if err := s.cover(p, records, facts, f.coverage); err != nil {
		return err
	}
	return s.print(p, f.output)
}

// print prints a proposal, or writes it to a file.
func (s *session) print(p *analyzer.Proposal, output string) error {
	if output == "" {
		_, err := s.term.Out.Write(p.CUE())
		return err
	}
	if err := writeFile(output, p.CUE()); err != nil {
		return fmt.Errorf("writing the proposal: %w", err)
	}
	s.progress(fmt.Sprintf("%s: %s", output, counted(p.Manifest)))
	return nil
}

// counted says how many permissions a manifest asks for.
func counted(m *manifest.Manifest) string {
	all := m.Permissions()
	levels := map[manifest.Level]int{}
	for _, p := range all {
		levels[p.Level]++
	}
	return fmt.Sprintf("%d permissions, of them %d special and %d dangerous", len(all), levels[manifest.Special], levels[manifest.Dangerous])
}
