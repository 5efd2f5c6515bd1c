package cmd

import (
	"fmt"
	"path/filepath"

	"github.com/least-privilege/lpm/analyzer"
	"github.com/least-privilege/lpm/analyzer/coverage"
	"github.com/least-privilege/lpm/analyzer/evidence"
)

// plotColumns is the width of a plot: that of a terminal of the least width.
const plotColumns = 72

// cover has a proposal say how much of the watching has shown nothing new, and
// draws that into the file, if there is one: as SVG where its name ends so, and
// else as text. Of several runs a terminal shows the text too.
func (s *session) cover(p *analyzer.Proposal, records []*evidence.Record, facts analyzer.ImageFacts, file string) error {
	curve, err := coverage.Of(records, facts)
	if err != nil {
		return err
	}
	p.Coverage = curve.Sentence()
	s.progress(p.Coverage)
	if len(records) > 1 && s.term.Attended() && !s.quiet {
		fmt.Fprint(s.term.Err, curve.Text(plotColumns))
	}
	if file == "" {
		return nil
	}
	drawing := []byte(curve.Text(plotColumns))
	if filepath.Ext(file) == ".svg" {
		drawing = curve.SVG()
	}
	if err := writeFile(file, drawing); err != nil {
		return fmt.Errorf("drawing the coverage: %w", err)
	}
	return nil
}
