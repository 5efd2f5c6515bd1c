package ablation

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/least-privilege/lpm/analyzer/prove"
	"github.com/least-privilege/lpm/analyzer/workload"
	"github.com/least-privilege/lpm/enforcer/container"
	"github.com/least-privilege/lpm/enforcer/plan"
	"github.com/least-privilege/lpm/enforcer/supervise"
	"github.com/least-privilege/lpm/manifest"
)

// How long a run may take: some time that a slow machine needs, and several
// times what it takes with everything granted, or took when it was recorded as
// long as nothing else is known.
const (
	leastLimit = 5 * time.Second
	slower     = 5
)

// try makes one trial, unless the journal has it. It is a [prove.Oracle].
func (r *runner) try(ctx context.Context, t prove.Trial) (prove.Outcome, error) {
	if o, known := r.journal.Lookup(t); known {
		r.learn(t, o)
		return o, nil
	}
	left := make([]prove.Candidate, len(t.Without))
	for i, c := range t.Without {
		left[i] = r.candidates[c]
	}
	o, err := r.run(ctx, t, left)
	if err != nil {
		return o, err
	}
	if ctx.Err() != nil {
		return o, ctx.Err()
	}
	r.learn(t, o)
	return o, r.journal.Add(t, o)
}

// learn keeps how long a run with everything granted took, and what was not
// enforced in it.
func (r *runner) learn(t prove.Trial, o prove.Outcome) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if len(t.Without) == 0 {
		r.unenforced = o.Unenforced
		r.slowest = max(r.slowest, time.Duration(o.Milliseconds)*time.Millisecond)
	}
}

// run runs the workload without some candidates.
func (r *runner) run(ctx context.Context, t prove.Trial, left []prove.Candidate) (prove.Outcome, error) {
	m, _, err := prove.Without(r.Manifest, left)
	if errors.Is(err, manifest.ErrLastReadable) {
		return prove.Outcome{Verdict: prove.Failed, Reason: err.Error()}, nil
	}
	if err != nil {
		return prove.Outcome{}, err
	}
	if m.Network.Mode == manifest.NetworkNone && r.Manifest.Network.Mode != manifest.NetworkNone && r.reaches {
		return prove.Outcome{Verdict: prove.Failed, Reason: "without a network the exercise cannot reach the container"}, nil
	}
	// Bounds are not what is tried, and what a run uses differs.
	m.Resources = manifest.Resources{}
	if err := r.awaitPorts(ctx, left); err != nil {
		return prove.Outcome{}, err
	}
	scene, err := r.scene()
	if err != nil {
		return prove.Outcome{}, err
	}
	job := r.job(scene, m, left)
	trial, err := workload.Try(ctx, r.store, job, m)
	text, outputErr := scene.close()
	if err := errors.Join(err, outputErr, r.Remove(context.WithoutCancel(ctx), scene.volumes)); err != nil {
		return prove.Outcome{}, err
	}
	o, err := r.outcome(trial, left, text, scene)
	if len(t.Without) == 0 {
		o.Unenforced = trial.Unenforced
	}
	return o, err
}

// job is the workload for one run.
func (r *runner) job(s *scene, m *manifest.Manifest, left []prove.Candidate) workload.Job {
	job := r.Workload
	job.Streams = container.Streams{In: r.Workload.Streams.In, Out: s.write, Err: s.write}
	job.Progress, job.Interrupt, job.Terminal = nil, nil, nil
	// The whole manifest is tried strictly enough: what cannot be enforced here
	// is in the results.
	job.Options.BestEffort = true
	job.Options.Volumes = slices.DeleteFunc(slices.Clone(job.Options.Volumes), func(v plan.Volume) bool {
		return !slices.ContainsFunc(m.Mounts, func(t manifest.Mount) bool { return t.Path == v.Path })
	})
	job.Options.TraceFiles = slices.ContainsFunc(left, func(c prove.Candidate) bool {
		return slices.Contains([]string{"read", "write", "mount"}, c.Kind())
	})
	job.Volume = r.volumes(s)
	r.mu.Lock()
	defer r.mu.Unlock()
	switch {
	case len(left) > 0:
		job.Limit = leastLimit + slower*r.slowest
		job.Ready = min(r.Workload.Ready, job.Limit/2)
	case r.Recorded > 0:
		job.Limit = leastLimit + slower*r.Recorded
	}
	return job
}

// volumes gives each run new volumes, but for those that were named.
func (r *runner) volumes(s *scene) func(name string) (string, error) {
	return func(name string) (string, error) {
		if slices.ContainsFunc(r.Workload.Options.Volumes, func(v plan.Volume) bool { return v.Source == name }) {
			return r.Workload.Volume(name)
		}
		dir := filepath.Join(s.volumes, name)
		return dir, os.MkdirAll(dir, 0o700)
	}
}

// outcome judges a trial, and keeps what was printed in one that did not pass.
func (r *runner) outcome(t *workload.Trial, left []prove.Candidate, text []byte, s *scene) (prove.Outcome, error) {
	o := prove.Outcome{Verdict: prove.Passed, End: t.End, Milliseconds: t.Duration.Milliseconds()}
	if t.Failure == nil {
		return o, nil
	}
	o.Verdict, o.Reason = prove.Failed, plain(t.Failure.Error())
	if t.TimedOut {
		o.Verdict = prove.TimedOut
	}
	o.Line = telling(text)
	o.Denial, o.Direct = refused(t.Denials, left)
	if len(text) > 0 {
		o.Output = filepath.Join("output", fmt.Sprintf("%d.txt", s.number))
		if err := os.WriteFile(filepath.Join(r.dir, o.Output), text, 0o644); err != nil {
			return o, fmt.Errorf("keeping what a failing run printed: %w", err)
		}
	}
	return o, nil
}

// refused names the denial that has most to do with what was left out, and says
// whether it is of the one thing that was; or else the last that came up.
func refused(denials []supervise.Denial, left []prove.Candidate) (text string, direct bool) {
	var last *supervise.Denial
	for i, d := range denials {
		if len(left) == 1 && isOf(d, left[0]) {
			return named(d), true
		}
		if last == nil || d.First.After(last.First) {
			last = &denials[i]
		}
	}
	if last == nil {
		return "", false
	}
	return named(*last), false
}

// isOf reports whether a denial is of what a candidate grants.
func isOf(d supervise.Denial, c prove.Candidate) bool {
	_, subject, _ := strings.Cut(c.Permission, ":")
	switch c.Kind() {
	case "syscall":
		tried, args, _ := strings.Cut(d.What, "(")
		return tried == prove.CallOf(c.Permission) && (c.Value == "" || slices.Contains(words(args), c.Value))
	case "execute":
		return d.Kind == supervise.KindProgram && d.What == subject
	case "listen":
		protocol, port, _ := strings.Cut(subject, "/")
		return d.Kind == supervise.KindListen && strings.HasSuffix(d.What, ":"+port+"/"+protocol)
	case "write", "mount", "device":
		return d.What == subject || strings.HasPrefix(d.What, subject+"/")
	}
	return false
}

// words splits the arguments that a denial names: "AF_INET6, SOCK_STREAM)". Of
// a value that is several flags each is a word too.
func words(args string) []string {
	all := strings.FieldsFunc(args, func(r rune) bool { return strings.ContainsRune(",() ", r) })
	for _, word := range all {
		if strings.Contains(word, "|") {
			all = append(all, strings.Split(word, "|")...)
		}
	}
	return all
}

func named(d supervise.Denial) string {
	return plain(fmt.Sprintf("%s %s to %s (%s)", d.Kind, d.What, d.Program, d.Errno))
}
