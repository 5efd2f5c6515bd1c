package render

import (
	"context"
	"errors"
	"strings"
	"testing"

	"github.com/least-privilege/lpm/manifest"
)

func TestNobodyIsAskedWithoutTerminal(t *testing.T) {
	var out strings.Builder
	_, err := (&Terminal{Out: &out, Err: &out}).Confirm(context.Background(), "Sure?")
	if !errors.Is(err, ErrNoTerminal) || out.Len() > 0 {
		t.Errorf("error %v and output %q, want ErrNoTerminal and none", err, out.String())
	}
}

func TestColour(t *testing.T) {
	for _, tt := range []struct {
		name   string
		colour bool
		want   string
	}{
		{"on a terminal", true, "\x1b[1;31mspecial\x1b[0m"},
		{"elsewhere", false, "special"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if got := (&Terminal{colour: tt.colour}).Level(manifest.Special); got != tt.want {
				t.Errorf("got %q, want %q", got, tt.want)
			}
		})
	}
}

func TestTable(t *testing.T) {
	var out strings.Builder
	(&Terminal{Out: &out}).Table([]string{"NAME", "ARCH"}, [][]string{{"redis:7", "amd64"}, {"\x1b[2J", "arm64"}})
	const want = "" +
		"NAME      ARCH\n" +
		"redis:7   amd64\n" +
		"\\x1b[2J   arm64\n"
	if got := out.String(); got != want {
		t.Errorf("got\n%swant\n%s", got, want)
	}
}

func TestWrap(t *testing.T) {
	var out strings.Builder
	Wrap(&out, "  ", "one two three aVeryLongWordIndeed four", 12)
	const want = "  one two\n  three\n  aVeryLongWordIndeed\n  four\n"
	if out.String() != want {
		t.Errorf("got\n%swant\n%s", out.String(), want)
	}
}

func TestSize(t *testing.T) {
	for in, want := range map[int64]string{0: "0 bytes", 1023: "1023 bytes", 1024: "1.0 KiB", 20 << 20: "20.0 MiB", 1 << 52: "4096.0 TiB"} {
		if got := Size(in); got != want {
			t.Errorf("Size(%d) = %q, want %q", in, got, want)
		}
	}
}
