// Package cmd is lpm's command line.
//
// A verb is a file: it parses its arguments, makes one call of a library and
// prints what came back. What the verbs share is a session; what they print
// goes through package render; how they end is decided in exit.go.
package cmd

import (
	"context"
	"fmt"
	"os"
	"runtime"

	"github.com/spf13/cobra"

	"github.com/least-privilege/lpm/cmd/front"
	"github.com/least-privilege/lpm/cmd/render"
)

// Main runs the command line of this process and returns its exit code. It
// does not return from a process that a signal ends while it is cleaning up
// after a first one.
func Main() int {
	ctx, stop := withSignals(context.Background())
	defer stop()
	s := &session{term: render.NewTerminal(os.Stdin, os.Stdout, os.Stderr)}
	return execute(ctx, s, os.Args[1:])
}

// execute runs one command line.
func execute(ctx context.Context, s *session, args []string) int {
	root := newRoot(s)
	root.SetArgs(args)
	root.SetOut(s.term.Out)
	root.SetErr(s.term.Err)
	started := false
	markStart(root, &started)
	verb, err := root.ExecuteContextC(ctx)
	if err != nil && !started {
		err = &usageError{verb: verb, err: err, advice: suggestion(verb, args)}
	}
	if err == nil {
		// A result that did not arrive is none.
		err = s.term.Lost()
	}
	return s.report(ctx, verb, err)
}

// suggestion names the verb that a person may have meant, where lpm knows no
// such verb.
func suggestion(verb *cobra.Command, args []string) string {
	if verb == nil || verb.HasParent() || len(args) == 0 {
		return ""
	}
	if names := verb.SuggestionsFor(args[0]); len(names) > 0 {
		return "did you mean: lpm " + names[0]
	}
	return ""
}

// markStart notes when a verb's own work begins. Every error before that is
// one of usage, whichever part of cobra it comes from.
func markStart(c *cobra.Command, started *bool) {
	if run := c.RunE; run != nil {
		c.RunE = func(c *cobra.Command, args []string) error {
			*started = true
			return run(c, args)
		}
	}
	for _, child := range c.Commands() {
		markStart(child, started)
	}
}

func newRoot(s *session) *cobra.Command {
	root := &cobra.Command{
		Use:   "lpm",
		Short: "Run container images with the permissions you approved, and no others",
		Long: `lpm runs container images, without root and without a daemon, with the
permissions that a person approved and no others. It makes the list of
permissions by watching a run, keeps it beside the image, and shows it in plain
words to whoever has to say yes.`,
		Example: `  lpm load redis.tar                     bring an image in
  lpm analyze redis -o redis.cue         watch it run, and propose a manifest
  lpm attach redis redis.cue             keep the manifest beside the image
  lpm approve redis                      read what it asks for, say yes or no
  lpm run redis                          run it so, and be told what was refused`,
		Version:       fmt.Sprintf("%s (%s, %s/%s)", front.Version, runtime.Version(), runtime.GOOS, runtime.GOARCH),
		SilenceErrors: true,
		SilenceUsage:  true,
		// See suggestion.
		DisableSuggestions:         true,
		SuggestionsMinimumDistance: 2,
	}
	root.SetVersionTemplate("lpm {{.Version}}\n")
	addProgress(root, s)
	for _, g := range verbs(s) {
		root.AddGroup(&cobra.Group{ID: g.id, Title: g.title + ":"})
		for _, c := range g.commands {
			c.GroupID = g.id
			s.complete(c)
			root.AddCommand(c)
		}
	}
	root.AddCommand(newManual())
	return root
}

// verbGroup is a heading of the help text and the verbs below it.
type verbGroup struct {
	id, title string
	commands  []*cobra.Command
}

func verbs(s *session) []verbGroup {
	return []verbGroup{
		{"containers", "Containers", []*cobra.Command{newRun(s)}},
		{"images", "Images", []*cobra.Command{
			newLoad(s), newPull(s), newCopy(s), newImages(s), newRemove(s), newPrune(s), newVerify(s), newQuota(s),
		}},
		{"manifests", "Manifests", []*cobra.Command{
			newAnalyze(s), newValidate(s), newAttach(s), newInspect(s), newExplain(s), newDiff(s), newCheck(s), newExport(s),
		}},
		{"approvals", "Approvals", []*cobra.Command{
			newApprove(s), newRevoke(s), newKey(s),
		}},
		{"machine", "This machine", []*cobra.Command{
			newDoctor(s),
		}},
	}
}
