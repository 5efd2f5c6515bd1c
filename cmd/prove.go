package cmd

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/least-privilege/lpm/analyzer"
	"github.com/least-privilege/lpm/analyzer/ablation"
	"github.com/least-privilege/lpm/analyzer/evidence"
	"github.com/least-privilege/lpm/analyzer/prove"
	"github.com/least-privilege/lpm/analyzer/workload"
	"github.com/least-privilege/lpm/cmd/render"
	"github.com/least-privilege/lpm/enforcer"
	"github.com/least-privilege/lpm/enforcer/plan"
	"github.com/least-privilege/lpm/manifest"
	"github.com/least-privilege/lpm/registry/store"
	"github.com/least-privilege/lpm/registry/unpack"
)

// proveFlags are the flags of lpm analyze --prove.
type proveFlags struct {
	on       bool
	manifest string
	dir      string
	jobs     int
	repeat   int
	limit    time.Duration
	all      bool
	drop     bool
}

// proveNames are the flags that --prove brings.
var proveNames = [...]string{"manifest", "prove-dir", "prove-jobs", "prove-repeat", "prove-for", "prove-all", "drop-unneeded"}

func (f *proveFlags) add(c *cobra.Command) {
	flags := c.Flags()
	flags.BoolVar(&f.on, "prove", false, "find out by runs under enforcement which permissions are needed")
	flags.StringVar(&f.manifest, "manifest", "", "with --prove, record nothing and try the manifest `FILE`")
	flags.StringVar(&f.dir, "prove-dir", "", "keep the state and the outputs in `FOLDER` (next to the file of -o)")
	flags.IntVar(&f.jobs, "prove-jobs", 0, "make `N` runs at a time (as many as there are processors, where runs cannot meet)")
	flags.IntVar(&f.repeat, "prove-repeat", 3, "demand that the workload passes `N` times in a row")
	flags.DurationVar(&f.limit, "prove-for", 0, "begin no more trials once they took this `TIME` together")
	flags.BoolVar(&f.all, "prove-all", false, "try the calls too that every program needs, or that no run shows")
	flags.BoolVar(&f.drop, "drop-unneeded", false, "leave out of the manifest what is unneeded")
}

// check refuses flags that do not go together.
func (f *proveFlags) check(c *cobra.Command, a *analyzeFlags) error {
	if !f.on {
		for _, name := range proveNames {
			if c.Flags().Changed(name) {
				return fmt.Errorf("--%s is for --prove", name)
			}
		}
		return nil
	}
	changed := func(name string) bool { return c.Flags().Changed(name) }
	switch {
	case a.TTY || a.interactive:
		return errors.New("--prove runs the workload without a person, so that it has neither terminal nor input")
	case f.repeat < 1 || f.repeat > 100:
		return fmt.Errorf("--prove-repeat is from 1 to 100, not %d", f.repeat)
	case f.jobs < 0 || f.jobs > 256:
		return fmt.Errorf("--prove-jobs is from 1 to 256, not %d", f.jobs)
	case a.quiet > 0:
		return errors.New("--until-quiet ends a recording; for --prove the workload has to end the same way each time")
	case f.limit < 0:
		return fmt.Errorf("--prove-for is a time, not %s", f.limit)
	case changed("manifest") && f.manifest == "":
		return errors.New("--manifest needs a FILE")
	case f.manifest != "" && (len(a.from) > 0 || changed("evidence") || changed("identity") || changed("keep-going")):
		return errors.New("--manifest records nothing, so --from, --evidence, --identity and --keep-going are not for it")
	case f.manifest != "" && f.drop != (a.output != ""):
		return errors.New("with --manifest, -o and --drop-unneeded go together: what is written is the manifest without the unneeded")
	case f.folder(a.output) == "":
		return errors.New("--prove keeps its state in a folder: name it with --prove-dir, or a file with -o")
	}
	return nil
}

// folder is the work folder: FILE.prove for a FILE.cue, unless one was named.
func (f *proveFlags) folder(output string) string {
	if f.dir != "" || output == "" {
		return f.dir
	}
	return strings.TrimSuffix(output, filepath.Ext(output)) + ".prove"
}

// prove finds out which permissions are needed: of a manifest, of what is
// proposed from records, or from a run that is recorded now.
func (s *session) prove(ctx context.Context, name string, f analyzeFlags) (err error) {
	if err := ablation.CheckFolder(f.prove.folder(f.output)); err != nil {
		return err
	}
	lock, err := ablation.NewLock(f.prove.folder(f.output))
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, lock.Close()) }()
	st, err := s.store()
	if err != nil {
		return err
	}
	if f.prove.manifest != "" {
		m, err := readManifest(f.prove.manifest)
		if err != nil {
			return err
		}
		image, err := s.image(st, name)
		if err != nil {
			return err
		}
		return s.proveManifest(ctx, st, image, m, f)
	}
	records, image, err := s.recordsToProve(ctx, st, name, &f)
	if err != nil {
		return err
	}
	facts, err := workload.Facts(ctx, st, records)
	if err != nil {
		return err
	}
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
	var recorded time.Duration
	for _, r := range records {
		recorded = max(recorded, time.Duration(r.Duration)*time.Millisecond)
	}
	found, err := s.ablate(ctx, st, image, ablation.Job{Manifest: p.Manifest, Why: p.Why, Recorded: recorded}, f)
	if err != nil {
		return err
	}
	minimal, origin, err := found.Minimal(p.Manifest)
	if err != nil {
		return err
	}
	p.Mark(found.Findings(), found.Summary())
	if f.prove.drop {
		p = p.Narrowed(minimal, origin)
	}
	return s.print(p, f.output)
}

// recordsToProve returns the records to propose from, and their image: those
// that --from names, one that an interrupted search has left, or a new one.
func (s *session) recordsToProve(ctx context.Context, st *store.Store, name string, f *analyzeFlags) ([]*evidence.Record, store.Image, error) {
	if len(f.from) > 0 {
		records, err := recordsFrom(f.from)
		if err != nil {
			return nil, store.Image{}, err
		}
		image, err := st.Resolve(records[0].Image.Digest)
		if err != nil {
			return nil, image, err
		}
		return records, image, f.sameWorkload(records)
	}
	image, err := s.image(st, name)
	if err != nil {
		return nil, image, err
	}
	kept := filepath.Join(f.prove.folder(f.output), "record.json")
	r, err := readRecord(kept)
	if errors.Is(err, fs.ErrNotExist) {
		r, err = s.recordToProve(ctx, st, image, kept, *f)
		return []*evidence.Record{r}, image, err
	}
	if err != nil {
		return nil, image, err
	}
	config, err := st.Config(image)
	if err != nil {
		return nil, image, err
	}
	job, done, err := s.workload(st, image, *f)
	if err != nil {
		return nil, image, err
	}
	defer done()
	command, err := plan.Command(enforcer.Config(config.Config), f.Options)
	if err != nil {
		return nil, image, err
	}
	if w := r.Workload; r.Image.Digest != image.Digest.String() || w.Exercise != job.Described() || !slices.Equal(w.Command, command) {
		return nil, image, &ablation.FolderError{Dir: f.prove.folder(f.output), Err: errors.New("its record is of another image, command or exercise")}
	}
	s.progress(fmt.Sprintf("proposing from the record in %s", kept))
	return []*evidence.Record{r}, image, nil
}

// recordToProve records a run, and keeps the record for a search that goes on
// later: another run would be another proposal. A folder that cannot be written
// to is found before a run that may take long.
func (s *session) recordToProve(ctx context.Context, st *store.Store, image store.Image, kept string, f analyzeFlags) (_ *evidence.Record, err error) {
	unfinished := kept + ".new"
	if err := os.WriteFile(unfinished, nil, 0o644); err != nil {
		return nil, fmt.Errorf("the work folder: %w", err)
	}
	defer func() {
		if err != nil {
			_ = os.Remove(unfinished)
		}
	}()
	outcome, err := s.recorded(ctx, st, image, f)
	if err != nil {
		return nil, err
	}
	if err := ctx.Err(); err != nil {
		// A run that a person ends is no workload to repeat.
		s.progress("the recording was interrupted and is not kept: nobody interrupts the trials, so end the workload with --exercise or --for")
		return nil, err
	}
	if err := keepRecord(outcome.Record, unfinished); err != nil {
		return nil, err
	}
	return outcome.Record, os.Rename(unfinished, kept)
}

// sameWorkload takes the command from records. An exercise is not taken from
// them: it is a command for this machine, and a record is a file from anywhere.
func (f *analyzeFlags) sameWorkload(records []*evidence.Record) error {
	first := records[0].Workload
	for i, r := range records {
		if !slices.Equal(r.Workload.Command, first.Command) {
			return fmt.Errorf("record %d is of another command than record 1, so that there is no one workload to repeat", i+1)
		}
		if r.Workload.Exercise != "" && len(f.exercises) == 0 {
			return usagef("give the exercise that trials are to pass with --exercise", "record %d was exercised by %q", i+1, r.Workload.Exercise)
		}
	}
	if len(first.Command) > 0 {
		f.Entrypoint, f.Args = []string{}, first.Command
	}
	return nil
}

// proveManifest says of a manifest's permissions which are needed.
func (s *session) proveManifest(ctx context.Context, st *store.Store, image store.Image, m *manifest.Manifest, f analyzeFlags) error {
	found, err := s.ablate(ctx, st, image, ablation.Job{Manifest: m}, f)
	if err != nil {
		return err
	}
	var rows [][]string
	for _, need := range []analyzer.Need{analyzer.Undecided, analyzer.Unneeded, analyzer.Needed} {
		for _, p := range found.Permissions {
			if p.Need == need {
				rows = append(rows, []string{string(p.Need), p.ID, p.Reason})
			}
		}
	}
	s.term.Table([]string{"NEED", "PERMISSION", "REASON"}, rows)
	if !f.prove.drop {
		return nil
	}
	minimal, _, err := found.Minimal(m)
	if err != nil {
		return err
	}
	data, err := minimal.Canonical()
	if err != nil {
		return err
	}
	return writeIndented(f.output, data)
}

// ablate makes the trials of a, which says what to try.
func (s *session) ablate(ctx context.Context, st *store.Store, image store.Image, a ablation.Job, f analyzeFlags) (*ablation.Results, error) {
	job, done, err := s.workload(st, image, f)
	if err != nil {
		return nil, err
	}
	defer done()
	a.Workload, a.Dir, a.Parallel, a.Repeat = job, f.prove.folder(f.output), f.prove.jobs, f.prove.repeat
	a.Limit, a.Baseline, a.Remove, a.Said = f.prove.limit, f.prove.all, removeVolumes, s.progress
	stop := func() {}
	if !s.quiet {
		bar := s.term.Bar("runs")
		a.Progress = func(p prove.Progress) { bar.Update(p.Done, p.Left, p.Next) }
		stop = bar.Stop
	}
	found, err := ablation.Run(ctx, st, a)
	stop()
	if errors.Is(err, context.Canceled) {
		s.progress("interrupted; the same command goes on from " + a.Dir)
	}
	if err != nil {
		return nil, err
	}
	for _, what := range found.Unenforced {
		s.term.Warn("this host cannot enforce %s, so that the trials show nothing of it", what)
	}
	n := found.Count()
	s.progress(fmt.Sprintf("%d needed, %d unneeded, %d undecided, in %d runs; what they printed is in %s",
		n[analyzer.Needed], n[analyzer.Unneeded], n[analyzer.Undecided], found.Trials, render.Escape(a.Dir)))
	return found, nil
}

// removeVolumes removes what runs have written, whoever owns it.
func removeVolumes(ctx context.Context, dir string) error {
	if err := os.RemoveAll(dir); err == nil {
		return nil
	}
	return unpackInRange(ctx, unpack.Job{Kind: unpack.Remove, Dest: dir})
}

// writeIndented writes JSON to a file for a person to read.
func writeIndented(file string, data []byte) error {
	var text bytes.Buffer
	err := json.Indent(&text, data, "", "  ")
	if err == nil {
		text.WriteByte('\n')
		err = writeFile(file, text.Bytes())
	}
	if err != nil {
		return fmt.Errorf("writing the manifest: %w", err)
	}
	return nil
}
