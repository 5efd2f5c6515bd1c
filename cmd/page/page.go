// Package page makes a page of what an image asks for, to be read in a browser
// and kept where a team keeps its documents.
//
// A page is one file. It holds its style and no script, loads nothing and leads
// nowhere but to the sources of vulnerabilities; a policy in its head has the
// browser hold it to that. It is right on a phone and on paper, in light and in
// dark, and without seeing it.
//
// What is on it was written by the image's author, whoever attaches records to
// the image, and reviewers. None of it is taken for anything but text: it is
// escaped by html/template for where it stands, characters that a terminal
// would not show are made visible as package render does it, and each text is
// set apart from what surrounds it, so that letters which are read from right
// to left move nothing else.
package page

import (
	"bytes"
	"crypto/sha256"
	_ "embed"
	"encoding/base64"
	"fmt"
	"html/template"
	"io"
	"strconv"
	"time"

	"github.com/least-privilege/lpm/manifest"
)

//go:embed page.html
var pageTemplate string

//go:embed style.css
var style string

// Write writes the page of a document: all of it, or nothing where the error is
// not one of w.
func Write(w io.Writer, d *Document) error {
	page, err := template.New("page").Funcs(template.FuncMap{
		"pieces":    pieces,
		"lookalike": lookalike,
		"titled":    titled,
		"plural":    plural,
		"heading":   heading,
		"moment":    func(t time.Time) string { return t.UTC().Format("2006-01-02 15:04 MST") },
		"stamp":     func(t time.Time) string { return t.UTC().Format(time.RFC3339) },
		"duration":  func(d time.Duration) string { return d.Round(time.Millisecond).String() },
		"levelText": levelText,
	}).Parse(pageTemplate)
	if err != nil {
		return fmt.Errorf("reading the template of the page: %w", err)
	}
	var b bytes.Buffer
	err = page.Execute(&b, struct {
		*Document
		Style  template.CSS
		Policy string
	}{d, template.CSS(style), policy()})
	if err != nil {
		return fmt.Errorf("making the page: %w", err)
	}
	_, err = w.Write(b.Bytes())
	return err
}

// policy is the page's Content-Security-Policy: its own style and nothing else.
// The hash is of what is between the tags (CSP Level 3, 2.3.1).
func policy() string {
	sum := sha256.Sum256([]byte(style))
	return "default-src 'none'; style-src 'sha256-" + base64.StdEncoding.EncodeToString(sum[:]) + "'; base-uri 'none'; form-action 'none'"
}

// levelText says what a protection level means to whoever decides.
func levelText(l manifest.Level) string {
	switch l {
	case manifest.Special:
		return "Each can reach beyond the container. None is part of an approval of everything: a reviewer accepts each by its name."
	case manifest.Dangerous:
		return "Each can do harm in the wrong hands. A reviewer should read them."
	}
	return "What ordinary programs do. They are approved with the rest."
}

// Bar is a part of a whole, as the width of a bar in hundredths.
type Bar string

// NewBar returns the bar of n of all. Little is not nothing.
func NewBar(n, all int) Bar {
	if n <= 0 || all <= 0 {
		return "0"
	}
	return Bar(strconv.FormatFloat(max(1, min(100, 100*float64(n)/float64(all))), 'f', 1, 64))
}

func decimal(n int) string { return strconv.Itoa(n) }
