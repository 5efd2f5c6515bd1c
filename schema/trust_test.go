package schema

import (
	"errors"
	"reflect"
	"strings"
	"testing"
)

func TestDecodeTrust(t *testing.T) {
	want := []TrustRule{
		{Repositories: []string{"registry.example/team/*", "localhost:5000/app"}, Keys: []string{"alice", "bob"}, Threshold: 2},
		{Repositories: []string{"*"}, Keys: []string{"ops"}, Threshold: 1},
	}
	for name, text := range map[string]string{
		"team.yaml": `
version: 1
rules:
- repositories: ["registry.example/team/*", "localhost:5000/app"]
  keys: [alice, bob]
  threshold: 2
- repositories: ["*"]
  keys: [ops]
`,
		"team.cue": `
version: 1
rules: [
	{repositories: ["registry.example/team/*", "localhost:5000/app"], keys: ["alice", "bob"], threshold: 2},
	{repositories: ["*"], keys: ["ops"]},
]
`,
		"team.json": `{"version":1,"rules":[{"repositories":["registry.example/team/*","localhost:5000/app"],"keys":["alice","bob"],"threshold":2},{"repositories":["*"],"keys":["ops"]}]}`,
	} {
		got, err := DecodeTrust(name, []byte(text))
		if err != nil || !reflect.DeepEqual(got, want) {
			t.Errorf("%s: %+v, %v", name, got, err)
		}
	}
}

func TestDecodeTrustRefuses(t *testing.T) {
	for _, tt := range []struct{ text, message string }{
		{`{"version":1}`, "rules"},
		{`{"version":2,"rules":[{"repositories":["*"],"keys":["a"]}]}`, "version of the format"},
		{`{"version":1,"rules":[]}`, "rules"},
		{`{"version":1,"rules":[{"repositories":["*"],"keys":[]}]}`, "keys"},
		{`{"version":1,"rules":[{"repositories":[],"keys":["a"]}]}`, "repositories"},
		{`{"version":1,"rules":[{"repositories":["a/*/b"],"keys":["a"]}]}`, "repository with its registry"},
		{`{"version":1,"rules":[{"repositories":["a*"],"keys":["a"]}]}`, "repository with its registry"},
		{`{"version":1,"rules":[{"repositories":["a/../b*"],"keys":["a"]}]}`, "repository with its registry"},
		{`{"version":1,"rules":[{"repositories":["*"],"keys":["../a"]}]}`, "name of a key"},
		{`{"version":1,"rules":[{"repositories":["*"],"keys":["a"],"threshold":0}]}`, "must approve"},
		{`{"version":1,"rules":[{"repositories":["*"],"keys":["a"],"threshold":1.5}]}`, "must approve"},
		{`{"version":1,"rules":[{"repositories":["*"],"keys":["a"],"treshold":2}]}`, "treshold"},
	} {
		_, err := DecodeTrust("team.json", []byte(tt.text))
		var found Errors
		if !errors.As(err, &found) || !strings.Contains(err.Error(), tt.message) {
			t.Errorf("%s: %v, want an error about %q", tt.text, err, tt.message)
		}
	}
	if _, err := DecodeTrust("team.toml", nil); !errors.Is(err, ErrFormat) {
		t.Errorf("another format: %v", err)
	}
}
