package cmd

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/least-privilege/lpm/cmd/reviewscreen"
	"github.com/least-privilege/lpm/manifest/vulnerabilities"
	"github.com/least-privilege/lpm/registry/approval"
	"github.com/least-privilege/lpm/registry/artifact"
	"github.com/least-privilege/lpm/registry/review"
	"github.com/least-privilege/lpm/registry/store"
)

// ask has a person decide: on the screen, or question by question where that
// is wanted or no screen can be drawn.
func (s *session) ask(ctx context.Context, q *review.Request, c approval.Choice, o approveOptions, signer string, t artifact.Target) (approval.Choice, error) {
	in, out, drawable := s.term.Screen()
	if drawable && !o.plain {
		facts, err := s.factsOf(ctx, q, t)
		if err != nil {
			return c, err
		}
		page := reviewscreen.Page{Request: q, Choice: c, Signer: signer, Facts: facts, All: o.all}
		decided, err := reviewscreen.Run(ctx, in, out, page, s.term)
		if !errors.Is(err, reviewscreen.ErrNotDrawn) {
			return decided, err
		}
		s.term.Warn("%v; these are the questions without it", err)
	}
	s.printReview(q, o.all)
	return q.Ask(ctx, &asker{s}, c)
}

// signerOf says who will sign: a key that is here, or one elsewhere.
func signerOf(key *approval.PrivateKey, name string, elsewhere elsewhereFlags) string {
	if key == nil {
		return elsewhere.by + ", by another tool"
	}
	text := short("sha256:" + key.Public().ID())
	if name != "" {
		text += ", as " + name
	}
	return text
}

// sameImage returns a [*review.ChangedError] where the name that a request was
// opened by is another image's by now.
func (s *session) sameImage(st *store.Store, text string, q *review.Request) error {
	img, err := s.image(st, text)
	if err != nil {
		return fmt.Errorf("looking again at what was shown: %w", err)
	}
	if img.Digest != q.Subject.Digest {
		return &review.ChangedError{Subject: q.Subject, What: []string{fmt.Sprintf("its name is that of image %s now", img.Digest)}}
	}
	return nil
}

// factsOf returns what explain knows of the permissions that are asked for. A
// review must not hang on what anyone attached to the image: what cannot be
// read is warned of and left out.
func (s *session) factsOf(ctx context.Context, q *review.Request, t artifact.Target) (map[string][]reviewscreen.Fact, error) {
	m := q.Found.Manifest
	x := &explanation{Name: q.Subject.Name, Image: q.Subject.Digest}
	err := s.during("reading the records of its runs", func(func(done, total int64)) error {
		records, err := s.attachedRecords(ctx, t, x.Image, m.Syscalls.Architecture)
		if err != nil {
			return err
		}
		records = distinct(s.agreeing(records, nil))
		proposal, err := s.proposalOf(ctx, records)
		if err != nil {
			return err
		}
		x.of(m, proposal, records)
		return nil
	})
	switch {
	case ctx.Err() != nil:
		return nil, ctx.Err()
	case err != nil:
		s.term.Warn("what its runs have shown is left out: %v", err)
		x.of(m, nil, nil)
	}
	facts := map[string][]reviewscreen.Fact{}
	for _, p := range x.permissions {
		facts[p.ID] = append(x.evidenceFacts(p), vulnerabilityFacts(x.Name, p)...)
	}
	return facts, nil
}

// evidenceFacts say which program used a permission, in which run, when and how
// often.
func (x *explanation) evidenceFacts(p explainedPermission) []reviewscreen.Fact {
	e := p.Evidence
	label := "recorded"
	if e != nil && e.Count == 0 {
		label = "rests on (" + string(e.Basis) + ")"
	}
	facts := []reviewscreen.Fact{{Label: label, Text: x.evidenceText(p)}}
	add := func(label, text string) {
		if text != "" {
			facts = append(facts, reviewscreen.Fact{Label: label, Text: text})
		}
	}
	add("code", string(p.Reach))
	if e == nil {
		return facts
	}
	if e.Need != "" {
		add("trials", string(e.Need)+": "+e.NeedReason)
	}
	if e.Count == 0 {
		return facts
	}
	add("because", e.Text)
	for _, program := range e.Programs {
		add("program", program)
	}
	for _, run := range e.Runs {
		add(fmt.Sprintf("run %d", run+1), x.Runs[run].text())
	}
	return facts
}

// vulnerabilitiesOnScreen is how many of them a permission's detail has.
const vulnerabilitiesOnScreen = 10

// vulnerabilityFacts say what a permission leaves open, the worst first.
func vulnerabilityFacts(name string, p explainedPermission) []reviewscreen.Fact {
	n := len(p.Vulnerabilities)
	if n == 0 {
		return nil
	}
	facts := []reviewscreen.Fact{{Label: "leaves open", Text: countCVEs(n, len(p.ClosedWithout))}}
	for _, v := range p.Vulnerabilities[:min(n, vulnerabilitiesOnScreen)] {
		facts = append(facts, reviewscreen.Fact{Label: v.ID, Text: vulnerabilityText(v)})
	}
	if left := n - vulnerabilitiesOnScreen; left > 0 {
		facts = append(facts, reviewscreen.Fact{Label: fmt.Sprintf("and %d more", left), Text: "lpm explain --all " + name + " " + p.ID})
	}
	return facts
}

func vulnerabilityText(v vulnerabilities.Vulnerability) string {
	text := v.Effect.String()
	if v.Fixed != "" {
		text += ", fixed in " + v.Fixed
	}
	return text + ". " + v.Gains + " It takes " + strings.Join(v.Needs, ", and ") + ". " + v.Source
}
