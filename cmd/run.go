package cmd

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/signal"
	"strconv"
	"sync"
	"syscall"
	"time"

	"github.com/spf13/cobra"

	"github.com/least-privilege/lpm/cmd/render"
	"github.com/least-privilege/lpm/enforcer"
	"github.com/least-privilege/lpm/enforcer/plan"
	"github.com/least-privilege/lpm/enforcer/supervise"
	"github.com/least-privilege/lpm/manifest"
	"github.com/least-privilege/lpm/registry/approval"
	"github.com/least-privilege/lpm/registry/artifact"
	"github.com/least-privilege/lpm/registry/reference"
	"github.com/least-privilege/lpm/registry/store"
)

// runFlags are the flags of lpm run.
type runFlags struct {
	plan.Options
	entrypoint  string
	interactive bool
	verbose     bool
	dryRun      bool
	denials     string
}

func newRun(s *session) *cobra.Command {
	var f runFlags
	c := &cobra.Command{
		Use:   "run IMAGE [-- ARG...]",
		Short: "Start a container with the approved permissions and no others",
		Long: `Run starts the image's program with what its manifest asks for and its approval
grants, and nothing else. Without an approval in force it refuses and names the
command that would help. ARGs replace the image's own (its Cmd).

What the program was refused is reported at the end, one entry for each kind,
with the manifest's line that would grant it; -v reports it at once.

Nothing is enforced halfway: where the host cannot hold the container to a part
of the manifest, run refuses, unless --best-effort accepts that.

Exit codes are those of container engines: 125 when lpm itself failed, 126 for a
program that cannot be executed, 127 for one that is not there, otherwise the
program's own, or 128+n when signal n ended it.`,
		Example: `  lpm run redis
  lpm run -it debian -- bash
  lpm run --dry-run redis`,
		Args:        cobra.MinimumNArgs(1),
		Annotations: map[string]string{failureCode: strconv.Itoa(enforcer.ExitFailed)},
	}
	flags := c.Flags()
	flags.SetInterspersed(false)
	flags.BoolVarP(&f.interactive, "interactive", "i", false, "pass standard input on (otherwise it is empty)")
	flags.BoolVarP(&f.TTY, "tty", "t", false, "give the container a terminal of its own")
	flags.StringArrayVarP(&f.Env, "env", "e", nil, "set the environment variable `NAME=VALUE`; NAME alone takes its value from here")
	flags.StringVarP(&f.WorkingDir, "workdir", "w", "", "start in `FOLDER` instead of the image's own")
	flags.StringVar(&f.entrypoint, "entrypoint", "", "start `PROGRAM` instead of the image's entry point, if the manifest grants it")
	flags.BoolVar(&f.BestEffort, "best-effort", false, "run although the host cannot enforce all of the manifest, and say what it cannot")
	flags.BoolVarP(&f.verbose, "verbose", "v", false, "report what is refused at once")
	flags.BoolVar(&f.dryRun, "dry-run", false, "print the plan of the launch and start nothing")
	flags.StringVar(&f.denials, "denials", "", "write what was refused to `FILE`, one JSON object a line")
	form := addOutput(c)
	flags.Lookup("output").Usage = "with --dry-run, print as `FORM`: text or json"
	c.RunE = func(c *cobra.Command, args []string) error {
		f.Args = args[1:]
		// What follows the image is the program's; only a "--" right there
		// is ours.
		if len(f.Args) > 0 && f.Args[0] == "--" {
			f.Args = f.Args[1:]
		}
		if c.Flags().Changed("entrypoint") {
			f.Entrypoint = []string{f.entrypoint}
		}
		f.Env = fromHere(f.Env)
		code, err := s.run(c.Context(), args[0], f, *form)
		if err != nil {
			return &exitError{code: enforcer.ExitCode(err), err: err}
		}
		if code != 0 {
			return &exitError{code: code}
		}
		return nil
	}
	return c
}

// fromHere gives the variables that are named alone the value they have here,
// and leaves those out that have none, as docker does.
func fromHere(env []string) []string {
	var all []string
	for _, setting := range env {
		if name, value, _ := cutEnv(setting); name == setting {
			if value, ok := os.LookupEnv(name); ok {
				all = append(all, name+"="+value)
			}
		} else {
			all = append(all, name+"="+value)
		}
	}
	return all
}

func cutEnv(setting string) (name, value string, found bool) {
	for i := range setting {
		if setting[i] == '=' {
			return setting[:i], setting[i+1:], true
		}
	}
	return setting, "", false
}

// run starts the image under what was approved and returns its exit code.
func (s *session) run(ctx context.Context, name string, f runFlags, form output) (int, error) {
	st, err := s.store()
	if err != nil {
		return 0, err
	}
	img, err := s.image(st, name)
	if err != nil {
		return 0, err
	}
	granted, err := grantOf(ctx, st, img)
	if err != nil {
		return 0, err
	}
	streams := enforcer.Streams{In: os.Stdin, Out: os.Stdout, Err: os.Stderr}
	if !f.interactive {
		null, err := os.Open(os.DevNull)
		if err != nil {
			return 0, err
		}
		defer null.Close()
		streams.In = null
	}
	var tty *enforcer.Terminal
	if f.TTY {
		if tty, err = enforcer.OpenTerminal(); err != nil {
			return 0, err
		}
		defer tty.Close()
		f.Console = tty.Path
	}
	prepared, release, err := s.prepare(ctx, st, img, granted, f.Options)
	if err != nil {
		return 0, err
	}
	defer release()
	if f.dryRun {
		return 0, s.printPlan(prepared.Plan, form)
	}
	for _, u := range prepared.Plan.Unenforced {
		s.term.Warn("not enforced on this host: %s", render.Escape(u))
	}
	result, err := s.launch(ctx, prepared, streams, tty, f)
	if err != nil {
		return 0, err
	}
	if f.denials != "" {
		if err := writeDenials(f.denials, result.Denials); err != nil {
			return 0, err
		}
	}
	s.reportDenials(result.Denials, result.Others)
	return result.Code, nil
}

// grantOf returns what the newest manifest of the image asks for and a trusted
// key has approved.
func grantOf(ctx context.Context, st *store.Store, img store.Image) (*manifest.Manifest, error) {
	target := artifact.NewLocal(st)
	found, err := artifact.Find(ctx, target, img.Digest)
	if err != nil {
		return nil, err
	}
	newest, ok := artifact.Newest(found)
	if !ok {
		return nil, &noManifestError{image: nameOf(img)}
	}
	dirs, err := approval.TrustDirs()
	if err != nil {
		return nil, err
	}
	trust, err := approval.LoadTrust(dirs...)
	if err != nil {
		return nil, err
	}
	grant, err := approval.Effective(ctx, target, img.Digest, newest, trust, time.Now())
	if err != nil {
		return nil, named(err, nameOf(img))
	}
	return grant.Manifest, nil
}

// named gives a refusal the name that the person used for the image.
func named(err error, name string) error {
	var refusal *approval.Refusal
	if errors.As(err, &refusal) {
		refusal.Name = name
	}
	return err
}

// noManifestError says that an image has nothing to be approved.
type noManifestError struct{ image string }

func (e *noManifestError) Error() string { return e.image + " has no manifest of permissions" }

// Hint tells how to get one.
func (e *noManifestError) Hint() string {
	return fmt.Sprintf("watch it run with: lpm analyze %s -o FILE, then: lpm attach %s FILE", e.image, e.image)
}

// prepare makes the container ready. The caller calls release when it is over.
func (s *session) prepare(ctx context.Context, st *store.Store, img store.Image, m *manifest.Manifest, o plan.Options) (_ *enforcer.Prepared, release func(), err error) {
	config, err := st.Config(img)
	if err != nil {
		return nil, nil, err
	}
	kind := store.Single
	if m.Identity.Mode == manifest.IdentityRange {
		kind = store.Range
	}
	var tree *store.Tree
	err = s.during("unpacking "+nameOf(img), func(func(int64, int64)) error {
		tree, err = st.Tree(ctx, img, kind)
		return err
	})
	if err != nil {
		return nil, nil, err
	}
	defer func() {
		if err != nil {
			tree.Close()
		}
	}()
	repository := img.Digest.String()
	if img.Name != "" {
		if repository, err = reference.Repository(img.Name); err != nil {
			return nil, nil, err
		}
	}
	prepared, err := enforcer.Prepare(ctx, enforcer.Job{
		Mode: plan.Enforce, Digest: img.Digest.String(), Config: enforcer.Config(config.Config),
		Tree: tree.Path, Manifest: m, Options: o,
		Folders: enforcer.Folders{
			Store: st.Dir(), Prepared: st.PreparedDir,
			Volume: func(name string) (string, error) { return st.VolumeDir(repository, name) },
		},
	})
	return prepared, func() { tree.Close() }, err
}

// launch runs the container. Signals are the container's from here on: what
// it makes of them decides how lpm ends.
func (s *session) launch(ctx context.Context, p *enforcer.Prepared, streams enforcer.Streams, tty *enforcer.Terminal, f runFlags) (enforcer.Result, error) {
	ctx = context.WithoutCancel(ctx)
	signals := make(chan os.Signal, 16)
	signal.Notify(signals, syscall.SIGINT, syscall.SIGTERM, syscall.SIGHUP, syscall.SIGQUIT, syscall.SIGUSR1, syscall.SIGUSR2)
	defer signal.Stop(signals)
	o := enforcer.Observer{}
	if f.verbose {
		o.Denied = s.printDenial
	}
	if tty == nil {
		return p.Run(ctx, streams, signals, o)
	}
	var attached sync.WaitGroup
	var attachErr error
	o.Started = func(int) {
		attached.Go(func() { attachErr = tty.Attach(ctx, streams.In, streams.Out) })
	}
	r, err := p.Run(ctx, enforcer.Streams{In: tty.Slave, Out: tty.Slave, Err: tty.Slave}, signals, o)
	attached.Wait()
	if err == nil {
		err = attachErr
	}
	return r, err
}

// writeDenials writes the denials as JSON lines.
func writeDenials(name string, list []supervise.Denial) error {
	f, err := os.Create(name)
	if err != nil {
		return err
	}
	encoder := json.NewEncoder(f)
	for _, d := range list {
		if err := encoder.Encode(d); err != nil {
			f.Close()
			return err
		}
	}
	return f.Close()
}
