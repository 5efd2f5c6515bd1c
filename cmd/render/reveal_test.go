package render

import (
	"testing"
	"unicode/utf8"
)

func TestReveal(t *testing.T) {
	for _, tt := range []struct{ name, in, want string }{
		{"Latin", "Start /usr/bin/python3", "Start /usr/bin/python3"},
		{"Latin with accents", "/srv/données", "/srv/données"},
		{"a control character", "a\x1b[2J", `a\x1b[2J`},
		{"a right-to-left override", "/bin/\u202ehs", `/bin/\u202ehs`},
		{"Cyrillic in a Latin word", "Start /usr/bin/c\u0430t", `Start /usr/bin/c\u0430t`},
		{"Cyrillic in a host name", "Connect to p\u0430ypal.com, TCP port 443", `Connect to p\u0430ypal.com, TCP port 443`},
		{"a host name of doubles alone", "\u0430\u0440\u0440\u04cf\u0435.com", `\u0430\u0440\u0440\u04cf\u0435.com`},
		{"a program of doubles alone", "/usr/bin/\u0441\u043e\u0440", `/usr/bin/\u0441\u043e\u0440`},
		{"a word plainly Cyrillic", "Read /srv/данные", "Read /srv/данные"},
		{"prose in Russian", "сервер пишет в /var/log и с ним", "сервер пишет в /var/log и с ним"},
		{"prose in Russian that quotes a false name", "открыть g\u043e\u043egle.com", `открыть g\u043e\u043egle.com`},
		{"Greek alone", "/srv/δεδομένα", "/srv/δεδομένα"},
		{"Greek in a Latin word", "c\u03bfnfig", `c\u03bfnfig`},
		{"Han beside Latin", "/srv/数据x", "/srv/数据x"},
		{"Cherokee", "\u13a0\u13a2", `\u13a0\u13a2`},
		{"full-width", "/bin/\uff53h", `/bin/\uff53h`},
		{"mathematical", "/bin/\U0001d42c\U0001d421", `/bin/\U0001d42c\U0001d421`},
		{"a slash that is none", "/usr\u2215bin", `/usr\u2215bin`},
		{"a full stop that is none", "example\u2024com", `example\u2024com`},
		{"a hyphen that is none", "a\u2010b", `a\u2010b`},
		{"not UTF-8", "a\xffb", `a\xffb`},
		{"nothing", "", ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if got := Reveal(tt.in); got != tt.want {
				t.Errorf("Reveal(%q) = %q, want %q", tt.in, got, tt.want)
			}
		})
	}
}

func FuzzReveal(f *testing.F) {
	f.Add("/usr/bin/c\u0430t данные")
	f.Add("\x1b[0m\u202e\xff")
	f.Fuzz(func(t *testing.T, in string) {
		out := Reveal(in)
		if !utf8.ValidString(out) || Escape(out) != out {
			t.Fatalf("Reveal(%q) = %q would act on a terminal", in, out)
		}
		for rest := in; rest != ""; {
			word := nextWord(rest)
			rest = rest[len(word):]
			if revealed := Reveal(word); hasLatin(word) && Lookalike(revealed) != "" {
				t.Fatalf("Reveal(%q) = %q: %s", word, revealed, Lookalike(revealed))
			}
		}
	})
}
