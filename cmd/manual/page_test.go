package manual

import (
	"bytes"
	"strings"
	"testing"
	"time"

	"github.com/spf13/cobra"
)

func TestWrite(t *testing.T) {
	root := &cobra.Command{Use: "tool"}
	c := &cobra.Command{
		Use:   "go PLACE [-- WORD...] | go --back",
		Short: "Go to a place",
		Long: `Go goes. It says "é" on arrival
.and 'this' is \no request.

Places are

  ~/here   with    spaces
  .there

and others.

Exit codes: left to their section.`,
		Example: "  tool go home",
		RunE:    func(*cobra.Command, []string) error { return nil },
	}
	c.Flags().StringP("say", "s", "Hi", "say `TEXT` there")
	root.AddCommand(c, &cobra.Command{Use: "stay", Short: "Stay", RunE: c.RunE}, &cobra.Command{Use: "secret", Hidden: true, RunE: c.RunE})

	var page bytes.Buffer
	err := Write(&page, c, Facts{
		Date:      time.Date(2026, 11, 9, 23, 0, 0, 0, time.UTC),
		Codes:     []Entry{{"0", "arrived"}},
		Variables: []Entry{{"HOME", "the place to begin"}},
	})
	if err != nil {
		t.Fatal(err)
	}
	want := `.Dd November 9, 2026
.Dt TOOL-GO 1
.Os lpm
.Sh NAME
.Nm tool-go
.Nd "go to a place"
.Sh SYNOPSIS
.Nm "tool go"
.Op Ar option ...
.Ar PLACE Oo Fl \- Ar WORD ... Oc
.Nm "tool go"
.Op Ar option ...
.Fl \-back
.Sh DESCRIPTION
Go goes.
It says "\[u00E9]" on arrival \&.and \(aqthis\(aq is \eno request.
.Pp
Places are
.Bd -literal -offset indent
\(ti/here   with    spaces
\&.there
.Ed
.Pp
and others.
.Sh OPTIONS
.Bl -tag -width Ds
.It Fl h , Fl \-help
Help for go.
.It Fl s , Fl \-say Ar TEXT
Say TEXT there (default Hi).
.El
.Sh ENVIRONMENT
.Bl -tag -width Ds
.It Ev HOME
The place to begin.
.El
.Sh EXIT STATUS
.Bl -tag -width Ds
.It 0
Arrived.
.El
.Sh EXAMPLES
.Bd -literal -offset indent
tool go home
.Ed
.Sh SEE ALSO
.Xr tool 1 ,
.Xr tool-stay 1
`
	if got := page.String(); got != want {
		t.Errorf("got\n%s\nwant\n%s", got, want)
	}
}

func TestEscape(t *testing.T) {
	for text, want := range map[string]string{
		`a\fBb`: `a\efBb`, "--x": `\-\-x`, ".Sh": `\&.Sh`, "'ft": `\(aqft`, "…": `\[u2026]`,
	} {
		if got := escape(text); got != want {
			t.Errorf("escape(%q) = %q, want %q", text, got, want)
		}
	}
	for text, want := range map[string]string{"No": `\&No`, "": `""`, `a "b"`: `"a \(dqb\(dq"`, "PATH": "PATH"} {
		if got := argument(text); got != want {
			t.Errorf("argument(%q) = %q, want %q", text, got, want)
		}
	}
}

func TestFillKeepsEveryWord(t *testing.T) {
	text := strings.Repeat("Words of a sentence, (in brackets.) And more: one.two three! ", 20)
	p := &printer{}
	p.fill(text)
	if got, want := strings.Fields(p.out.String()), strings.Fields(text); strings.Join(got, " ") != strings.Join(want, " ") {
		t.Errorf("got %q", got)
	}
	for line := range strings.Lines(p.out.String()) {
		if len(line) > 80 {
			t.Errorf("a line of %d bytes: %q", len(line), line)
		}
	}
}
