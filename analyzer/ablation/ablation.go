// Package ablation leaves permissions out of an image's manifest and runs its
// workload, to find out which of them it needs.
//
// What to leave out is decided in package prove. Here the runs are made: under
// enforcement, as lpm run does, with what is refused merely refused. Their
// outcomes are kept in a work folder, so that an interrupted search goes on:
//
//	journal.jsonl   the outcome of each run (package journal)
//	output/N.txt    what the container and the exercise printed in a run that
//	                did not pass
//	results.json    what was found ([prove.Results])
//	volumes/        the volumes of the runs being made
package ablation

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"sync"
	"syscall"
	"time"

	"github.com/least-privilege/lpm/analyzer"
	"github.com/least-privilege/lpm/analyzer/prove"
	"github.com/least-privilege/lpm/analyzer/prove/journal"
	"github.com/least-privilege/lpm/analyzer/workload"
	"github.com/least-privilege/lpm/enforcer"
	"github.com/least-privilege/lpm/enforcer/plan"
	"github.com/least-privilege/lpm/manifest"
	"github.com/least-privilege/lpm/registry/store"
)

// Job is a manifest to try.
type Job struct {
	// Workload is what has to pass. Its output, limits and identity are set
	// here. The volumes that its options name are used as they are; those of
	// the manifest that it does not name are new in each run.
	Workload workload.Job
	Manifest *manifest.Manifest
	// Why explains the manifest's permissions by their IDs, where that is known.
	Why map[string]analyzer.Explanation
	// Dir is the work folder; it is made if it is missing.
	Dir string
	// Parallel is how many runs are made at a time; 0 is as many as there are
	// processors where runs do not get in each other's way, otherwise 1.
	Parallel int
	// Repeat and Limit are the search's.
	Repeat int
	Limit  time.Duration
	// Recorded is how long the workload took when it was recorded, the longest
	// time of several; 0 where that is not known, and a run with everything
	// granted then has no limit but the workload's own.
	Recorded time.Duration
	// Baseline tries the calls too that every program needs.
	Baseline bool
	// Remove removes a folder whose files may have other owners.
	Remove func(ctx context.Context, dir string) error
	// Said is told, in a line each, what a person should know of the runs.
	Said func(line string)
	// Progress, where not nil, is told how far the search is.
	Progress func(prove.Progress)
}

// Results are what was found, with what is needed to make use of it.
type Results struct {
	*prove.Results
	// Resumed is how many outcomes were there from an earlier search.
	Resumed int
}

// ResultsFile is the name of the results in the work folder.
const ResultsFile = "results.json"

// Other names in the work folder.
const (
	journalFile   = "journal.jsonl"
	volumesFolder = "volumes"
)

// Run makes the search. It returns the errors of [prove.Search] and
// [journal.Open], a [*FolderError] for a work folder of something else, and
// ctx's.
func Run(ctx context.Context, s *store.Store, j Job) (_ *Results, err error) {
	digest, err := j.Manifest.Digest()
	if err != nil {
		return nil, err
	}
	r := &runner{Job: j, store: s}
	if err := CheckFolder(j.Dir); err != nil {
		return nil, err
	}
	if r.dir, err = workFolder(j.Dir); err != nil {
		return nil, err
	}
	if err := r.look(ctx); err != nil {
		return nil, err
	}
	var skipped map[string]string
	r.candidates, skipped = prove.Candidates(j.Manifest, prove.Choice{Why: j.Why, Baseline: j.Baseline})
	if r.journal, err = journal.Open(filepath.Join(r.dir, journalFile), r.key(digest)); err != nil {
		return nil, explain(err, j.Dir)
	}
	defer func() { err = errors.Join(err, r.journal.Close()) }()
	resumed := r.journal.Len()
	if resumed > 0 {
		r.Said(fmt.Sprintf("going on in %s, which has %d outcomes", j.Dir, resumed))
	}
	if err := r.clean(ctx); err != nil {
		return nil, err
	}
	found, err := prove.Search(ctx, prove.Problem{
		Candidates: r.candidates, Oracle: r.try, Repeat: j.Repeat, Parallel: r.parallel(), Limit: j.Limit, Progress: j.Progress,
	})
	if err != nil {
		return nil, r.located(err)
	}
	all := prove.Of(j.Manifest, r.candidates, skipped, found)
	all.Image, all.Manifest, all.Unenforced = j.Workload.Image.Digest.String(), digest, r.unenforced
	all.Doubt(notEnforced(r.unenforced))
	all.Workload = prove.Workload{Command: r.command, Exercise: j.Workload.Described()}
	return &Results{all, resumed}, keep(filepath.Join(r.dir, ResultsFile), all)
}

// runner makes the runs.
type runner struct {
	Job
	// dir is the work folder, without symbolic links.
	dir        string
	store      *store.Store
	journal    *journal.Journal
	candidates []prove.Candidate
	command    []string
	// reaches tells that the exercise waits for a port of the network.
	reaches bool

	mu sync.Mutex
	// number is that of the last run's folder.
	number int
	// unenforced are the parts of the manifest that cannot be enforced here.
	unenforced []string
	// slowest is how long runs with everything granted took at most.
	slowest time.Duration
}

// workFolder makes the folder, and returns its path without symbolic links.
func workFolder(dir string) (string, error) {
	if err := os.MkdirAll(filepath.Join(dir, "output"), 0o755); err != nil {
		return "", fmt.Errorf("making the work folder: %w", err)
	}
	dir, err := filepath.Abs(dir)
	if err != nil {
		return "", err
	}
	return filepath.EvalSymlinks(dir)
}

// CheckFolder refuses, with a [*FolderError], a work folder that has things
// under the names of those that a search replaces or removes, and no journal:
// they are somebody else's. One that is missing will be made.
func CheckFolder(dir string) error {
	if _, err := os.Lstat(filepath.Join(dir, journalFile)); !errors.Is(err, os.ErrNotExist) {
		return err
	}
	for _, name := range []string{volumesFolder, ResultsFile} {
		if _, err := os.Lstat(filepath.Join(dir, name)); err == nil {
			return &FolderError{dir, fmt.Errorf("%w: beside its %s there is no journal", errNotOurs, name)}
		} else if !errors.Is(err, os.ErrNotExist) {
			return err
		}
	}
	return nil
}

// look reads what is needed of the image's configuration.
func (r *runner) look(context.Context) error {
	image, err := r.store.Config(r.Workload.Image)
	if err != nil {
		return err
	}
	config := enforcer.Config(image.Config)
	if r.command, err = plan.Command(config, r.Workload.Options); err != nil {
		return err
	}
	r.reaches, err = r.Workload.Reaches(config.Ports)
	return err
}

// key is what the journal's outcomes are of: with any of it changed, they would
// say nothing.
func (r *runner) key(digest string) string {
	o := r.Workload.Options
	o.Console = ""
	text, err := json.Marshal(struct {
		Image, Manifest string
		Candidates      []prove.Candidate
		Options         plan.Options
		Exercise        string
		ReadyAt         *workload.Readiness
		Ready, For      time.Duration
		Stop            syscall.Signal
	}{
		r.Workload.Image.Digest.String(), digest, r.candidates, o, r.Workload.Described(),
		r.Workload.ReadyAt, r.Workload.Ready, r.Workload.For, r.Workload.Stop,
	})
	if err != nil {
		panic(err) // plain data
	}
	sum := sha256.Sum256(text)
	return "sha256:" + hex.EncodeToString(sum[:])
}

// parallel is how many runs are made at a time. Runs on the host's network want
// the same ports; an exercise may keep things of its own in one place, and a
// volume that was named is one for all.
func (r *runner) parallel() int {
	var why string
	switch {
	case r.Parallel > 0:
		return r.Parallel
	case r.Manifest.Network.Mode == manifest.NetworkHost:
		why = "they share this machine's network, and so its ports"
	case len(r.Workload.Exercises) > 0:
		why = "the exercise may be made for one"
	case len(r.Workload.Options.Volumes) > 0:
		why = "they share the volumes that were named"
	default:
		return runtime.NumCPU()
	}
	r.Said("one run at a time, for " + why)
	return 1
}

// clean removes what a killed search has left.
func (r *runner) clean(ctx context.Context) error {
	return r.Remove(ctx, filepath.Join(r.dir, volumesFolder))
}

// located gives the errors of a search the folder of the outputs they name.
func (r *runner) located(err error) error {
	var broken *prove.BrokenError
	var flaky *prove.FlakyError
	place := func(o *prove.Outcome) {
		if o.Output != "" {
			o.Output = filepath.Join(r.Job.Dir, o.Output)
		}
	}
	switch {
	case errors.As(err, &broken):
		place(&broken.Outcome)
	case errors.As(err, &flaky):
		place(&flaky.Outcome)
	}
	return err
}

// FolderError says that the work folder cannot be used.
type FolderError struct {
	Dir string
	Err error
}

func (e *FolderError) Error() string { return fmt.Sprintf("the work folder %s: %v", e.Dir, e.Err) }

// Unwrap returns the reason.
func (e *FolderError) Unwrap() error { return e.Err }

// Hint tells the way out.
func (e *FolderError) Hint() string {
	switch {
	case errors.Is(e.Err, errNotOurs):
		return "choose another folder"
	case errors.Is(e.Err, journal.ErrInUse):
		return "wait until it has ended, or choose another folder"
	}
	return "remove the folder to begin anew, or choose another one"
}

// errNotOurs is a folder that no search has made or begun with.
var errNotOurs = errors.New("it is not one of trials")

func explain(err error, dir string) error {
	for _, known := range []error{journal.ErrForeign, journal.ErrInUse} {
		if errors.Is(err, known) {
			return &FolderError{dir, known}
		}
	}
	return err
}

// keep writes the results, whole or not at all.
func keep(path string, r *prove.Results) error {
	data, err := r.Encode()
	if err == nil {
		err = os.WriteFile(path+".new", data, 0o644)
	}
	if err == nil {
		err = os.Rename(path+".new", path)
	}
	if err != nil {
		return fmt.Errorf("keeping the results of the trials: %w", err)
	}
	return nil
}
