package schema_test

import (
	"errors"
	"strings"
	"testing"

	"github.com/least-privilege/lpm/manifest"
	"github.com/least-privilege/lpm/schema"
)

const redisCUE = `// What redis needs.
syscalls: {
	architecture: "amd64"
	kernel:       "6.18"
	allow: [for n in ["read", "write"] {name: n}, {
		name: "socket"
		when: [{arg: 0, oneOf: ["AF_INET", "AF_INET6"]}]
		reason: "clients connect over TCP"
	}]
}
version: 1
execute: [{path: "/usr/bin/redis-server"}]
network: {
	mode: "private"
	listen: [{port: 6379, protocol: "tcp", publish: true}]
}
resources: memory: 64 * 1024 * 1024
`

const redisYAML = `
version: 1
syscalls:
  architecture: amd64
  kernel: "6.18"
  allow:
    - name: read
    - name: write
    - {name: socket, when: [{arg: 0, oneOf: [AF_INET, AF_INET6]}], reason: clients connect over TCP}
execute:
  - path: /usr/bin/redis-server
network:
  mode: private
  listen: [{port: 6379, protocol: tcp, publish: true}]
resources: {memory: 67108864}
`

// All three formats say the same thing.
func TestFormatsAgree(t *testing.T) {
	fromCUE, err := schema.Decode("redis.cue", []byte(redisCUE))
	if err != nil {
		t.Fatal(err)
	}
	fromYAML, err := schema.Decode("redis.yaml", []byte(redisYAML))
	if err != nil {
		t.Fatal(err)
	}
	canonical, err := fromCUE.Canonical()
	if err != nil {
		t.Fatal(err)
	}
	fromJSON, err := schema.Decode("redis.json", canonical)
	if err != nil {
		t.Fatal(err)
	}
	for name, m := range map[string]*manifest.Manifest{"yaml": fromYAML, "json": fromJSON} {
		got, err := m.Canonical()
		if err != nil {
			t.Fatal(err)
		}
		if string(got) != string(canonical) {
			t.Errorf("%s reads as\n%s\ncue as\n%s", name, got, canonical)
		}
	}
	if fromYAML.Identity.Mode != manifest.IdentitySingle {
		t.Errorf("the identity left out became %q", fromYAML.Identity.Mode)
	}
	if err := schema.Validate(canonical); err != nil {
		t.Errorf("the canonical form is not valid: %v", err)
	}
}

func TestDecodeErrors(t *testing.T) {
	const head = "version: 1\nsyscalls: {architecture: \"amd64\", kernel: \"6.18\"}\n"
	for _, tt := range []struct {
		name, file, text string
		want             []string
	}{
		{"path that is not absolute", "a.cue", head + `execute: [{path: "bin/sh"}]`, []string{
			`a.cue:3:12: execute[0].path: expected an absolute path such as "/usr/sbin/nginx", or "*" for every program, not "bin/sh"`,
		}},
		{"unknown field", "a.cue", head + `mounts: [{path: "/data", volumes: "x"}]`, []string{
			`a.cue:3:26: mounts[0].volumes: unknown field; expected host, optional, path, reason, volume or write`,
		}},
		{"unknown field at the top", "a.yaml", head + "sycalls: 1", []string{
			`a.yaml:3:1: sycalls: unknown field; expected capabilities, devices, execute,`,
		}},
		{"missing field", "a.json", `{"version": 1}`, []string{
			`a.json:1:1: syscalls: missing; expected the system calls:`,
		}},
		{"missing field below", "a.cue", head + `network: {mode: "private", egress: [{host: "a.example", protocol: "tcp"}]}`, []string{
			`a.cue:3:37: network.egress[0].ports: missing; expected ports in quotes, such as ["443", "8000-8100"]`,
		}},
		{"port as a number", "a.yaml", head + `network: {mode: private, egress: [{host: a.example, ports: [443], protocol: tcp}]}`, []string{
			`a.yaml:3:61: network.egress[0].ports[0]: expected a port or a range in quotes, such as "443" or "8000-8100", not 443`,
		}},
		{"several at once, in the file's order", "a.cue", head + "resources: memory: 64\nnetwork: mode: \"bridge\"\n", []string{
			`a.cue:3:12: resources.memory: expected a number of bytes, at least 1048576 (1 MiB), not 64`,
			`a.cue:4:10: network.mode: expected "none", "private" or "host", not "bridge"`,
		}},
		{"unknown system call", "a.cue", "version: 1\nsyscalls: {architecture: \"amd64\", kernel: \"6.18\", allow: [{name: \"raed\"}]}\n", []string{
			`a.cue:2:60: syscalls.allow[0].name: "raed" is not a system call of amd64`,
		}},
		{"unknown symbol", "a.cue", "version: 1\nsyscalls: {architecture: \"amd64\", kernel: \"6.18\", allow: [\n{name: \"socket\",\nwhen: [{arg: 0, oneOf: [\"AF_INTE\"]}]}]}\n", []string{
			`a.cue:4:8: syscalls.allow[0].when[0]: "AF_INTE" is neither a number nor a symbol known for argument 0 of socket`,
		}},
		{"field given twice in JSON", "a.json", `{"version": 1, "version": 1}`, []string{
			`a.json:1:17: field "version" appears twice`,
		}},
		{"not JSON", "a.json", `{"version": }`, []string{`a.json:1:13: not JSON: invalid character '}' looking for beginning of value`}},
		{"JSON that ends early", "a.json", "{\n\"version\": 1", []string{`a.json:2:12: not JSON: unexpected end of JSON input`}},
		{"not YAML", "a.yaml", "version: [1", []string{`a.yaml:`}},
		{"a tab in YAML", "a.yaml", "version: 1\n\tsyscalls: {}\n", []string{`a.yaml:2: found a tab`}},
		{"not CUE", "a.cue", "version: [1", []string{`a.cue:1:`}},
		{"reference to nothing", "a.cue", head + "execute: [{path: redis}]", []string{`a.cue:3:18: reference "redis" not found`}},
		{"value left open", "a.cue", head + "execute: [{path: string}]", []string{
			`a.cue:3:12: execute[0].path: expected an absolute path`,
		}},
		{"brackets without end", "a.yaml", strings.Repeat("[", 1<<16), []string{`a.yaml:1:65: expected at most 64 brackets within one another`}},
		{"too large", "a.json", strings.Repeat(" ", manifest.MaxSize+1), []string{`a.json: expected at most 1048576 bytes`}},
		{"package that does not exist", "a.cue", "import \"example.com/x\"\n" + head + "execute: x.y", []string{`a.cue:1:8: expected one of CUE's own packages, not "example.com/x"`}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			_, err := schema.Decode(tt.file, []byte(tt.text))
			found, ok := errors.AsType[schema.Errors](err)
			if !ok {
				t.Fatalf("got error %v of type %T", err, err)
			}
			if len(found) != len(tt.want) {
				t.Errorf("got %d errors, want %d", len(found), len(tt.want))
			}
			for i, want := range tt.want {
				if i < len(found) && !strings.HasPrefix(found[i].Error(), want) {
					t.Errorf("got  %s\nwant %s", found[i], want)
				}
			}
			if t.Failed() {
				t.Log(err)
			}
		})
	}
}

func TestDecodeNeedsAKnownEnding(t *testing.T) {
	if _, err := schema.Decode("manifest.toml", nil); !errors.Is(err, schema.ErrFormat) {
		t.Errorf("got %v", err)
	}
}
