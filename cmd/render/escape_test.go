package render

import (
	"encoding/json"
	"strings"
	"testing"
	"unicode/utf8"
)

func TestEscape(t *testing.T) {
	for _, tt := range []struct{ name, in, want string }{
		{"plain text", "redis: read /data", "redis: read /data"},
		{"other scripts", "données 数据 данные", "données 数据 данные"},
		{"a backslash stays", `C:\x1b`, `C:\x1b`},
		{"erase the line above", "\x1b[2K\x1b[1A approved", `\x1b[2K\x1b[1A approved`},
		{"a line of lpm's own", "x\nhint: run me", `x\nhint: run me`},
		{"back to the line's start", "bad\rgood", `bad\rgood`},
		{"C1 control sequence introducer", "\u009b2J", `\u009b2J`},
		{"C1 as a bare byte", "\x9b2J", `\x9b2J`},
		{"right-to-left override", "/bin/\u202ehs", `/bin/\u202ehs`},
		{"isolate", "a\u2066b\u2069", `a\u2066b\u2069`},
		{"zero-width space", "ba\u200bsh", `ba\u200bsh`},
		{"soft hyphen", "ba\u00adsh", `ba\u00adsh`},
		{"space that is none", "a\u00a0b", `a\u00a0b`},
		{"line separator", "a\u2028b", `a\u2028b`},
		{"filler that shows nothing", "a\u3164b", `a\u3164b`},
		{"variation selector", "a\ufe0fb", `a\ufe0fb`},
		{"tags beyond the basic plane", "a\U000e0041b", `a\U000e0041b`},
		{"not UTF-8", "a\xffb", `a\xffb`},
		{"cut short", "a\xe6\x95", `a\xe6\x95`},
		{"the replacement character itself", "a\ufffdb", "a\ufffdb"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if got := Escape(tt.in); got != tt.want {
				t.Errorf("Escape(%q) = %q, want %q", tt.in, got, tt.want)
			}
		})
	}
}

func FuzzEscape(f *testing.F) {
	f.Add("redis")
	f.Add("\x1b[0m\u202e\xff")
	f.Fuzz(func(t *testing.T, in string) {
		out := Escape(in)
		if !utf8.ValidString(out) {
			t.Fatalf("Escape(%q) = %q is not UTF-8", in, out)
		}
		for _, r := range out {
			if !visible(r) {
				t.Fatalf("Escape(%q) lets %U through", in, r)
			}
		}
		if Escape(out) != out {
			t.Fatalf("Escape(%q) is not clean itself", in)
		}
	})
}

func TestLookalike(t *testing.T) {
	for _, tt := range []struct{ name, in, want string }{
		{"Latin", "/usr/bin/python3", ""},
		{"Latin with accents", "/srv/données", ""},
		{"Han beside Latin", "/srv/数据", ""},
		{"Cyrillic alone", "данные", ""},
		{"Cyrillic in a Latin name", "/usr/bin/p\u0443thon", "U+0443 is Cyrillic"},
		{"Greek in a Latin name", "c\u03bfnfig", "U+03BF is Greek"},
		{"full-width", "/bin/\uff53h", `another form of "s"`},
		{"mathematical", "/bin/\U0001d42c\U0001d421", `another form of "s"`},
	} {
		t.Run(tt.name, func(t *testing.T) {
			got := Lookalike(tt.in)
			if tt.want == "" && got != "" || !strings.Contains(got, tt.want) {
				t.Errorf("Lookalike(%q) = %q, want %q", tt.in, got, tt.want)
			}
		})
	}
}

func TestJSONIsSafeAndMeansTheSame(t *testing.T) {
	in := "\x1b[2J \u202ehs \U000e0041 <b> 数据"
	var out strings.Builder
	if err := (&Terminal{Out: &out}).JSON(in); err != nil {
		t.Fatal(err)
	}
	if got := strings.TrimSuffix(out.String(), "\n"); got != Escape(got) {
		t.Errorf("%q would act on a terminal", got)
	}
	var back string
	if err := json.Unmarshal([]byte(out.String()), &back); err != nil || back != in {
		t.Errorf("read back as %q (%v), want %q", back, err, in)
	}
}
