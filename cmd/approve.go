package cmd

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os/user"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/least-privilege/lpm/cmd/render"
	"github.com/least-privilege/lpm/manifest"
	"github.com/least-privilege/lpm/registry/approval"
	"github.com/least-privilege/lpm/registry/artifact"
	"github.com/least-privilege/lpm/registry/review"
)

// approveOptions are approve's flags.
type approveOptions struct {
	yes, all     bool
	plain        bool
	deny, accept []string
	name         string
	expires      string
	elsewhere    elsewhereFlags
	form         *output
	*publishFlags
	*keyFlags
}

func newApprove(s *session) *cobra.Command {
	c := &cobra.Command{
		Use:   "approve IMAGE | approve --log [IMAGE]",
		Short: "Decide what an image of the store may do",
		Long: `Approve shows what the newest manifest of an image asks for, or, where something
of the same repository was approved before, how it differs from that. It does so
on a screen: one moves through the permissions, opens what is known of each
(what it means, its author's reason, in which runs it was seen, which known
vulnerabilities it leaves open), denies optional ones, confirms each special one
by typing its ID, and signs at the end by typing yes; "?" shows the keys. The
decision is signed and kept beside the image in the store. Who leaves the screen
approves nothing. If what was shown has changed by then, nothing is signed.

With --plain it prints all that and asks question by question, in lines that a
screen reader reads: for each optional permission whether to grant it, for each
special one whether to accept it, and at last for a yes to the whole. So it does
on a terminal that cannot draw a screen, too (TERM is "dumb" or not set).

Scripts answer with flags. --yes says yes to all that is neither special nor
denied. Special permissions must be accepted by name; with one that is not,
nothing is approved. Without --yes and without a terminal the exit code is 2.

Every approval is of one image and one manifest. An update needs a new one. With
--publish it is written to the image's registry too, for others to pull.

Keys that lpm cannot read sign elsewhere: --draft writes the statement, and
--signed keeps what a tool such as cosign has made of it, a sigstore bundle.

  lpm approve app:1 --yes --draft app.json --by cosign.pub
  cosign attest-blob --statement app.json --key cosign.key --bundle app.bundle
  lpm approve app:1 --signed app.bundle

--log lists what was decided, and when and by whom: about the repository of
IMAGE, or about everything.`,
	}
	o := approveOptions{form: addOutput(c), publishFlags: addPublish(c), keyFlags: addKey(c)}
	f := c.Flags()
	f.BoolVarP(&o.yes, "yes", "y", false, "approve without asking; special permissions must be named with --accept")
	f.StringArrayVar(&o.deny, "deny", nil, "do not grant the optional permission `ID`; can be repeated")
	f.StringArrayVar(&o.accept, "accept", nil, "grant the special permission `ID`; can be repeated")
	f.StringVar(&o.name, "name", "", "your `NAME` for the record (default: that of your account)")
	f.StringVar(&o.expires, "expires", "", "end the approval after `TIME`, such as 12h or 90d")
	f.BoolVar(&o.all, "all", false, "show everything, unfolded, not the difference alone")
	f.BoolVar(&o.plain, "plain", false, "ask question by question, without a screen")
	f.StringVar(&o.elsewhere.draft, "draft", "", "write the statement to `FILE`, for another tool to sign")
	f.StringVar(&o.elsewhere.by, "by", "", "the public `KEY` that will sign the draft: a file, or the name of a trusted one")
	f.StringVar(&o.elsewhere.signed, "signed", "", "keep the approval that another tool signed, the sigstore bundle in `FILE`")
	log := f.Bool("log", false, "list what was decided, in place of deciding")
	c.Args = func(c *cobra.Command, args []string) error {
		if *log {
			return needs("[IMAGE]")(c, args)
		}
		return needs("IMAGE")(c, args)
	}
	c.RunE = func(c *cobra.Command, args []string) error {
		if *log {
			return s.approvalLog(args, *o.form)
		}
		return s.approve(c.Context(), args[0], o)
	}
	return c
}

func (s *session) approve(ctx context.Context, text string, o approveOptions) error {
	if err := o.elsewhere.check(o.key); err != nil {
		return err
	}
	if !o.yes && o.elsewhere.signed == "" && !s.term.Interactive() {
		return usagef("--yes approves without asking, together with --accept ID for each special permission", "approving %s: %w", text, render.ErrNoTerminal)
	}
	if !o.yes && o.elsewhere.signed == "" && *o.form == asJSON {
		return usagef("add --yes, or leave -o json out", "-o json prints no questions")
	}
	choice := approval.Choice{Denied: o.deny, Accepted: o.accept, Name: o.name, Whole: o.all}
	if choice.Name == "" {
		choice.Name = accountName()
	}
	now := time.Now()
	lasts, err := parsePeriod(o.expires)
	if err != nil {
		return err
	}
	if lasts > 0 {
		choice.Expires = now.Add(lasts)
	}
	st, err := s.store()
	if err != nil {
		return err
	}
	img, err := s.image(st, text)
	if err != nil {
		return err
	}
	records, err := s.records(st, artifact.NewLocal(st))
	if err != nil {
		return err
	}
	if records.Publish, err = o.place(ctx, text, img.Digest); err != nil {
		return err
	}
	var key *approval.PrivateKey
	if o.elsewhere == (elsewhereFlags{}) {
		if key, err = s.signingKey(ctx, o.keyFlags); err != nil {
			return err
		}
	}
	q, err := records.Open(ctx, subjectOf(img, text), now)
	if err != nil {
		return err
	}
	if o.elsewhere.signed != "" {
		return s.keepSigned(ctx, text, records, q, o.elsewhere.signed, *o.form)
	}
	if err := q.Check(choice); err != nil {
		return fmt.Errorf("approving %s: %w", text, err)
	}
	if o.yes {
		if *o.form == asText {
			s.printReview(q, o.all)
		}
		err = q.Unaccepted(choice)
	} else {
		choice, err = s.ask(ctx, q, choice, o, signerOf(key, choice.Name, o.elsewhere), records.Target)
	}
	if errors.Is(err, io.EOF) {
		err = review.ErrDeclined
	}
	if err == nil {
		err = s.sameImage(st, text, q)
	}
	if err != nil {
		return fmt.Errorf("approving %s: %w", text, err)
	}
	now = time.Now() // reading takes its time
	if o.elsewhere.draft != "" {
		return s.draftApproval(ctx, text, records, q, choice, o.elsewhere, now)
	}
	a, err := records.Approve(ctx, q, choice, key, now)
	if err != nil {
		return fmt.Errorf("approving %s: %w", text, err)
	}
	return s.printDecision(text, a, *o.form)
}

// printReview prints the request, or its difference to what was last approved.
func (s *session) printReview(q *review.Request, all bool) {
	s.printRequest(q)
	if q.Last == nil || all {
		s.printPermissions(q.Permissions, all)
		s.term.Printf("\n")
		return
	}
	last := fmt.Sprintf("what was approved of %s on %s", q.Subject.Repository, q.Last.Time.UTC().Format(dateTime))
	if len(q.Beyond()) == 0 {
		s.term.Printf("\n%s\n", s.term.Green("It asks for nothing new")+", compared with "+render.Escape(last)+".")
	} else {
		s.term.Printf("\nCompared with %s:\n", render.Escape(last))
	}
	d := q.Difference()
	s.printDiff(d)
	s.printUnchangedSpecial(q, d)
	s.term.Printf("\n")
}

// printUnchangedSpecial prints the special permissions that are no part of the
// difference: they are asked for all the same.
func (s *session) printUnchangedSpecial(q *review.Request, d manifest.Diff) {
	shown := map[string]bool{}
	for _, c := range slices.Concat(d.Added, d.Widened) {
		for _, p := range c.After {
			shown[p.ID] = true
		}
	}
	first := true
	for _, p := range q.Permissions {
		if p.Level != manifest.Special || shown[p.ID] {
			continue
		}
		if first {
			s.term.Printf("\n%s\n", s.term.Bold("Special as before"))
			first = false
		}
		s.printPermission(p, "")
	}
}

// asker asks at the terminal.
type asker struct{ s *session }

func (a *asker) Allow(ctx context.Context, p manifest.Permission) (bool, error) {
	return a.s.term.Confirm(ctx, fmt.Sprintf("Optional, %s: grant %s?", p.Level, render.Reveal(p.ID)))
}

func (a *asker) Accept(ctx context.Context, p manifest.Permission) (bool, error) {
	return a.s.term.Confirm(ctx, fmt.Sprintf("Special, and it does not run without: accept %s?", render.Reveal(p.ID)))
}

func (a *asker) Approve(ctx context.Context, granted []manifest.Permission) (bool, error) {
	return a.s.term.Confirm(ctx, fmt.Sprintf("Approve %s?", levelCounts(countLevels(granted))))
}

// decision is what approve and revoke print as JSON.
type decision struct {
	Decision approval.Decision `json:"decision"`
	Image    string            `json:"image"`
	Manifest string            `json:"manifest"`
	Key      string            `json:"key"`
	Reviewer string            `json:"reviewer"`
	Time     time.Time         `json:"time"`
	Expires  time.Time         `json:"expires,omitzero"`
	Granted  []string          `json:"granted"`
	Denied   []string          `json:"denied"`
	Accepted []string          `json:"accepted"`
}

func (s *session) printDecision(text string, a *approval.Approval, form output) error {
	if form == asJSON {
		list := func(ids []string) []string { return append([]string{}, ids...) }
		return s.term.JSON(decision{
			Decision: a.Decision, Image: a.ImageDigest.String(), Manifest: a.ManifestDigest.String(),
			Key: a.Reviewer.Key, Reviewer: a.Reviewer.Name, Time: a.Time, Expires: a.Expires,
			Granted: list(a.Granted), Denied: list(a.Denied), Accepted: list(a.Accepted),
		})
	}
	did := "approved"
	if a.Decision == approval.Revoke {
		did = "revoked the approval of"
	}
	s.term.Printf("%s %s: ", did, render.Escape(text))
	if a.Decision == approval.Approve {
		s.term.Printf("%d granted, %d denied, ", len(a.Granted), len(a.Denied))
	}
	s.term.Printf("signed by key %s%s\n", short("sha256:"+a.Reviewer.Key), until(a.Expires))
	return nil
}

// accountName is what a person is called by their account; empty where that is
// not known.
func accountName() string {
	u, err := user.Current()
	if err != nil {
		return ""
	}
	return u.Username
}

// parsePeriod reads a time such as "90d" or "12h"; nothing is zero.
func parsePeriod(text string) (time.Duration, error) {
	if text == "" {
		return 0, nil
	}
	period, err := time.ParseDuration(text)
	if days, ok := strings.CutSuffix(text, "d"); ok {
		const day, most = 24 * time.Hour, 100 * 366
		var n int
		if n, err = strconv.Atoi(days); err == nil && n <= most {
			period = time.Duration(n) * day
		}
	}
	if err != nil || period <= 0 {
		return 0, usagef("such as --expires 12h or --expires 90d", "%q is no time from now", text)
	}
	return period, nil
}
