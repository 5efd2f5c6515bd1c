package cmd

import (
	"errors"
	"fmt"
	"slices"
	"testing"

	"github.com/least-privilege/lpm/enforcer/plan"
)

func TestLines(t *testing.T) {
	a, b := errors.New("first"), errors.New("second\nhint: run me")
	for _, tt := range []struct {
		name string
		err  error
		want []string
	}{
		{"one error is one line", fmt.Errorf("loading: %w", b), []string{`loading: second\nhint: run me`}},
		{"a list has one for each", errors.Join(a, b), []string{"first", `second\nhint: run me`}},
		{"a list within another error", fmt.Errorf("checking: %w", errors.Join(a, b)), []string{"checking: first", `second\nhint: run me`}},
		{"a list of lists", errors.Join(a, errors.Join(a, b)), []string{"first", "first", `second\nhint: run me`}},
		{"two errors in one text are no list", fmt.Errorf("%w: %w", a, b), []string{`first: second\nhint: run me`}},
		{"an error that only looks like a list", errors.New("x\ny"), []string{`x\ny`}},
		{"what a host cannot enforce", &plan.UnenforceableError{What: []string{"memory", "pids"}}, []string{
			"this host cannot enforce 2 parts of the manifest:", "  memory", "  pids",
		}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if got := lines(tt.err); !slices.Equal(got, tt.want) {
				t.Errorf("got  %q\nwant %q", got, tt.want)
			}
		})
	}
}

func TestPeriod(t *testing.T) {
	for text, want := range map[string]string{
		"": "0s", "90d": "2160h0m0s", "12h": "12h0m0s", "36600d": "878400h0m0s",
		"0d": "", "-1d": "", "-5h": "", "36601d": "", "1.5d": "", "d": "", "soon": "", "9223372036854775807d": "",
	} {
		got, err := parsePeriod(text)
		if (err == nil) != (want != "") || err == nil && got.String() != want {
			t.Errorf("parsePeriod(%q) = %v, %v; want %q", text, got, err, want)
		}
	}
}
