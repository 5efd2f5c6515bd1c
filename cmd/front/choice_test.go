package front

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/least-privilege/lpm/enforcer/plan"
	"github.com/least-privilege/lpm/manifest"
)

func TestVolumes(t *testing.T) {
	here, err := filepath.Abs("testdata")
	if err != nil {
		t.Fatal(err)
	}
	for text, want := range map[string]plan.Volume{
		"data:/data":            {Source: "data", Path: "/data"},
		"data:/data/:ro":        {Source: "data", Path: "/data", ReadOnly: true},
		"/srv//x/:/data:rw":     {Source: "/srv/x", Path: "/data"},
		"./testdata:/data":      {Source: here, Path: "/data"},
		"":                      {},
		"data":                  {},
		":/data":                {},
		"data:relative":         {},
		"data:":                 {},
		"data:/data:z":          {},
		"data:/data:ro:private": {},
	} {
		got, err := parseVolume(text)
		if want.Path == "" {
			if err == nil {
				t.Errorf("%q gives %+v", text, got)
			}
			continue
		}
		if err != nil || got != want {
			t.Errorf("%q gives %+v, %v, want %+v", text, got, err, want)
		}
	}
}

func TestPorts(t *testing.T) {
	for text, want := range map[string]plan.Port{
		"80":                {Host: 80, Container: 80, Protocol: manifest.TCP},
		"80/udp":            {Host: 80, Container: 80, Protocol: manifest.UDP},
		"8080:80":           {Host: 8080, Container: 80, Protocol: manifest.TCP},
		"127.0.0.1:8080:80": {Address: "127.0.0.1", Host: 8080, Container: 80, Protocol: manifest.TCP},
		"[::1]:8080:80/tcp": {Address: "::1", Host: 8080, Container: 80, Protocol: manifest.TCP},
		// IPv4 in IPv6 is IPv4.
		"[::ffff:127.0.0.1]:8080:80": {Address: "127.0.0.1", Host: 8080, Container: 80, Protocol: manifest.TCP},
		"":                           {}, "0": {}, "65536": {}, "http": {}, "80:": {}, ":80": {}, "80/sctp": {}, "80/": {}, "host:80:80": {}, "1:2:3:4": {}, "-1": {},
	} {
		got, err := parsePort(text)
		if want.Host == 0 {
			if err == nil {
				t.Errorf("%q gives %+v", text, got)
			}
			continue
		}
		if err != nil || got != want {
			t.Errorf("%q gives %+v, %v, want %+v", text, got, err, want)
		}
	}
}

func TestEnvFile(t *testing.T) {
	tests := []struct {
		name, content string
		want          []string
		err           string
	}{
		{"empty", "", nil, ""},
		{"settings, names and comments", "# one\nA=1\n\n  B=two words \r\nC\nD=\nE=a=b # c\n", []string{"A=1", "B=two words ", "C", "D=", "E=a=b # c"}, ""},
		{"nothing is quoted", `A="x"`, []string{`A="x"`}, ""},
		{"a byte order mark", "\ufeffA=1", []string{"A=1"}, ""},
		{"no name", "A=1\n=2", nil, "line 2"},
		{"a name with a space", "export A=1", nil, "line 1"},
		{"not UTF-8", "A=\xff", nil, "line 1"},
		{"a NUL", "A=\x00", nil, "line 1"},
		{"too much", strings.Repeat("#\n", maxEnvFile), nil, "larger"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			file := filepath.Join(t.TempDir(), "env")
			if err := os.WriteFile(file, []byte(test.content), 0o600); err != nil {
				t.Fatal(err)
			}
			got, err := readEnvFile(file)
			if test.err == "" && err != nil || test.err != "" && (err == nil || !strings.Contains(err.Error(), test.err)) {
				t.Fatalf("error %v, want %q", err, test.err)
			}
			if !slices.Equal(got, test.want) {
				t.Errorf("got %q, want %q", got, test.want)
			}
		})
	}
}
