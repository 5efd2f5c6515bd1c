package schema

import (
	"os"
	"strings"
	"testing"
)

func TestReferenceIsWhatIsCommitted(t *testing.T) {
	want, err := Reference()
	if err != nil {
		t.Fatal(err)
	}
	got, err := os.ReadFile("../docs/reference.md")
	if err != nil {
		t.Fatal(err)
	}
	if string(got) != want {
		t.Error("docs/reference.md is not what the schema says: run go generate ./schema")
	}
}

// TestReferenceIsComplete: every field of a definition that a manifest or a
// policy can have is there, and says what it is for.
func TestReferenceIsComplete(t *testing.T) {
	list, err := documentation()
	if err != nil {
		t.Fatal(err)
	}
	defs, err := readDefinitions()
	if err != nil {
		t.Fatal(err)
	}
	shown := map[string]documented{}
	for _, d := range list {
		if _, twice := shown[d.name]; twice {
			t.Errorf("%s is there twice", d.name)
		}
		shown[d.name] = d
		for _, f := range d.fields {
			if f.doc == "" || f.constraint == "" {
				t.Errorf("%s.%s says %q and is %q", d.name, f.name, f.doc, f.constraint)
			}
		}
	}
	for name, def := range defs {
		if !strings.HasPrefix(name, "#") || strings.Contains(name, ".") {
			continue
		}
		d, ok := shown[name]
		if !ok {
			t.Errorf("%s is not in the reference", name)
		}
		for _, f := range def.fields {
			if !hasField(d, f) {
				t.Errorf("%s.%s is not in the reference as the schema has it: %+v", name, f.name, d.fields)
			}
		}
	}
}

// hasField reports whether a field of the syntax is documented, as required or
// not.
func hasField(d documented, f field) bool {
	for _, shown := range d.fields {
		if shown.name == f.name {
			return shown.required == f.required
		}
	}
	return false
}

func TestReferenceKnowsBounds(t *testing.T) {
	list, err := documentation()
	if err != nil {
		t.Fatal(err)
	}
	got := map[string]string{}
	for _, d := range list {
		got[d.name] = d.constraint
		for _, f := range d.fields {
			got[d.name+"."+f.name] = f.constraint
			got[d.name+"."+f.name+" default"] = f.fallback
		}
	}
	for name, want := range map[string]string{
		"#Manifest.version":            "`1`",
		"#Manifest.mounts":             "list of [Mount](#mount), at most 4096",
		"#Syscalls.architecture":       "`\"amd64\"` or `\"arm64\"`",
		"#Condition.arg":               "integer, 0 to 5",
		"#Condition.oneOf":             "list of [Value](#value), at least 1, at most 256",
		"#Value":                       "text, `=~\"^[0-9A-Za-z_\\|]+$\"`, at most 4096 characters",
		"#Program.path":                "`\"*\"` or [Path](#path)",
		"#WritablePath.path":           "[Path](#path), `!=\"/\"`",
		"#WritablePath.size":           "integer, `0` or 4096 to 1125899906842624",
		"#Mount.write":                 "boolean",
		"#Network.mode":                "`\"none\"` or `\"private\"` or `\"host\"`",
		"#Network.mode default":        "\"none\"",
		"#Network.listen default":      "",
		"#Policy.name":                 "text, at least 1 and at most 200 characters",
		"#Ceiling.network":             "struct",
		"#Ceiling.network.modes":       "list of `\"none\"` or `\"private\"` or `\"host\"`, at most 3",
		"#Ceiling.network.listen":      "list of [Listen](#listen), at most 4096",
		"#Resources.memory":            "integer, `0` or 1048576 to 1125899906842624",
		"#Identity.mode default":       "\"single\"",
		"#Waiver.permission":           "text, at least 3 and at most 8192 characters",
		"#Device.path":                 "[Path](#path), `=~\"^/dev/\"`",
		"#Forbidden.reason":            "[Reason](#reason)",
		"#Policy.manifest":             "struct",
		"#TrustRule.keys":              "list of [KeyName](#keyname), at least 1, at most 256",
		"#TrustRule.threshold":         "integer, 1 to 256",
		"#TrustRule.threshold default": "1",
		"#Capability.name default":     "",
	} {
		if got[name] != want {
			t.Errorf("%s is %s, want %s", name, got[name], want)
		}
	}
}
