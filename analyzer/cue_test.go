package analyzer

import (
	"bytes"
	"strings"
	"testing"

	"github.com/least-privilege/lpm/analyzer/evidence"
	"github.com/least-privilege/lpm/schema"
)

// TestCUEIsTheManifest holds that the file which is written means the manifest
// that was inferred, whatever the container named its files.
func TestCUEIsTheManifest(t *testing.T) {
	hostile := nginx()
	hostile.Image.Reference = "x\n}\nversion: 2 //"
	hostile.Workload.Exercise = "a\r\nb: 1"
	hostile.Programs = append(hostile.Programs,
		evidence.Program{Path: `/bin/\(x) "quoted" \n`, Seen: seen(1, 1, `/evil", optional: true}, {name: "ptrace`)})
	hostile.Files = append(hostile.Files,
		evidence.File{Path: `/srv/\(1+1)/"x`, Access: []evidence.Access{evidence.Create}, Seen: once},
		evidence.File{Path: "/srv/<&>/\u2028/x", Access: []evidence.Access{evidence.Create}, Seen: once})
	for name, records := range map[string][]*evidence.Record{
		"nothing": {record()}, "nginx": {nginx()}, "twice": {nginx(), nginx()}, "hostile names": {hostile}, "private network": {private()},
	} {
		t.Run(name, func(t *testing.T) {
			p := propose(t, ImageFacts{Volumes: []string{"/data"}}, records...)
			text := p.CUE()
			m, err := schema.Decode("proposal.cue", text)
			if err != nil {
				t.Fatalf("%v in\n%s", err, text)
			}
			got, err := m.Canonical()
			if err != nil {
				t.Fatal(err)
			}
			want, err := p.Manifest.Canonical()
			if err != nil {
				t.Fatal(err)
			}
			if !bytes.Equal(got, want) {
				t.Errorf("the file means\n%s\nnot\n%s", got, want)
			}
			for l := range strings.Lines(string(text)) {
				if strings.HasPrefix(l, "//") && line(strings.TrimSuffix(l, "\n")) != strings.TrimSuffix(l, "\n") {
					t.Errorf("comment %q has characters that do not show", l)
				}
			}
		})
	}
}

// FuzzPropose holds that what decodes as a record is either refused or
// becomes a valid file.
func FuzzPropose(f *testing.F) {
	data, err := nginx().Encode()
	if err != nil {
		f.Fatal(err)
	}
	f.Add(data, "/data")
	if data, err = private().Encode(); err != nil {
		f.Fatal(err)
	}
	f.Add(data, "")
	f.Fuzz(func(t *testing.T, data []byte, volume string) {
		r, err := evidence.Decode(data)
		if err != nil {
			return
		}
		p, err := Propose([]*evidence.Record{r, r}, ImageFacts{Volumes: []string{volume}})
		if err != nil {
			return
		}
		if _, err := schema.Decode("proposal.cue", p.CUE()); err != nil {
			t.Fatalf("%v in\n%s", err, p.CUE())
		}
	})
}
