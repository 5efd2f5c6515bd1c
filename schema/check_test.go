package schema_test

import (
	"os"
	"strings"
	"testing"

	"github.com/least-privilege/lpm/manifest"
	"github.com/least-privilege/lpm/schema"
)

// allowed is a manifest that the sample policy lets pass.
const allowed = `version: 1
syscalls: {architecture: "amd64", kernel: "6.18", allow: [{name: "read"}, {name: "socket", when: [{arg: 0, oneOf: ["AF_INET"]}]}]}
capabilities: [{name: "CAP_CHOWN"}]
network: {mode: "private", egress: [{host: "api.example.com", ports: ["443"], protocol: "tcp"}]}
resources: {memory: 67108864, pids: 32}
`

func decode(t *testing.T, text string) *manifest.Manifest {
	t.Helper()
	m, err := schema.Decode("manifest.cue", []byte(text))
	if err != nil {
		t.Fatal(err)
	}
	return m
}

// check returns "rule permission: message" for every violation.
func check(t *testing.T, policy, text string) []string {
	t.Helper()
	found, err := schema.Check([]byte(policy), "policy.cue", decode(t, text))
	if err != nil {
		t.Fatal(err)
	}
	var lines []string
	for _, v := range found {
		lines = append(lines, v.Rule+" "+v.Permission+v.Path+": "+v.Message)
	}
	return lines
}

func TestSamplePolicy(t *testing.T) {
	sample, err := os.ReadFile("../testdata/policy/org.cue")
	if err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct {
		name, old, new string
		want           []string // a part of each violation, in order
	}{
		{"nothing wrong", "", "", nil},
		{"host network is waived", `mode: "private", egress: [{host: "api.example.com", ports`, `mode: "host", egress: [{reason: "updates", ports`, nil},
		{"forbidden capability", "CAP_CHOWN", "CAP_SYS_ADMIN", []string{
			"ceiling capability:CAP_SYS_ADMIN",
			"forbid capability:CAP_SYS_ADMINcapabilities[0]: CAP_SYS_ADMIN is forbidden by the services team: none of our services administers a kernel",
			"maxLevel capability:CAP_SYS_ADMIN",
			"requireReason capability:CAP_SYS_ADMIN",
		}},
		{"capability beyond the ceiling", "CAP_CHOWN", "CAP_FSETID", []string{"ceiling capability:CAP_FSETID"}},
		{"port beyond the ceiling", `"443"`, `"443", "8443"`, []string{"ceiling egress:api.example.com:tcp/443,8443"}},
		{"more memory", "67108864", "8589934592", []string{"ceiling resource:memory"}},
		{"no bound of memory", "memory: 67108864, ", "", []string{
			"ceiling resource:memory",
			"manifest resources.memory: missing; the policy wants int: the scheduler packs machines by it",
		}},
		{"every program, so a shell too", "resources:", `execute: [{path: "*"}]` + "\nresources:", []string{
			"forbid execute:*", "maxLevel execute:*", "requireReason execute:*",
		}},
		{"a shell", "resources:", `execute: [{path: "/bin/bash", reason: "its start script"}]` + "\nresources:", []string{"forbid execute:/bin/bash"}},
		{"folder below a forbidden one", "resources:", `filesystem: writable: [{path: "/etc/nginx", reason: "x"}]` + "\nresources:", []string{"forbid write:/etc/nginx"}},
		{"host folder with secrets", "resources:", `mounts: [{path: "/c", volume: "c"}, {path: "/b", host: "/home/me"}]` + "\nresources:", []string{
			"manifest mount:/bmounts[1].host: ", "maxLevel mount:/b", "requireReason mount:/b",
		}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			got := check(t, string(sample), strings.Replace(allowed, tt.old, tt.new, 1))
			if len(got) != len(tt.want) {
				t.Errorf("got %d violations, want %d:\n%s", len(got), len(tt.want), strings.Join(got, "\n"))
			}
			for i := range min(len(got), len(tt.want)) {
				if !strings.HasPrefix(got[i], tt.want[i]) {
					t.Errorf("got  %s\nwant %s", got[i], tt.want[i])
				}
			}
		})
	}
}

// Each policy has a trap by which a careless gate lets the manifest pass.
func TestPoliciesCannotBePassedBy(t *testing.T) {
	const head = "version: 1, name: \"p\"\n"
	for _, tt := range []struct{ name, policy, old, new, want string }{
		{"a field left out that the policy would fill in", `manifest: resources: memory: 67108864`, "memory: 67108864, ", "", "manifest resources.memory: missing; the policy wants 67108864"},
		{"a field left out that has a default in the policy", `manifest: resources: memory: *67108864 | int`, "memory: 67108864, ", "", "manifest resources.memory: missing"},
		{"a number in place of a symbol", `manifest: syscalls: allow: [...{when?: [...{oneOf: [...!="AF_PACKET"]}]}]`, `"AF_INET"`, `"17"`, "manifest syscall:socket(0=AF_PACKET)syscalls.allow[1].when[0].oneOf[0]"},
		{"a call under a condition", `forbid: [{permission: "syscall:socket", reason: "none"}]`, "", "", "forbid syscall:socket(0=AF_INET)"},
		{"a path above the forbidden one", `forbid: [{permission: "write:/var/lib/app", reason: "none"}]`, "resources:", "filesystem: writable: [{path: \"/var\"}]\nresources:", "forbid write:/var"},
		{"reading everything", `forbid: [{permission: "read:/etc/shadow", reason: "none"}]`, "", "", "forbid read:/"},
		{"a constraint on each entry of a list", `manifest: capabilities: [...{name: !="CAP_CHOWN"}]`, "", "", "manifest capability:CAP_CHOWNcapabilities[0].name"},
		{"ICMP under a ceiling of ports", `ceiling: network: {modes: ["private"], egress: [{ports: ["1-65535"], protocol: "tcp"}, {ports: ["1-65535"], protocol: "udp"}]}`, `ports: ["443"], protocol: "tcp"`, `protocol: "icmp"`, "ceiling egress:api.example.com:icmpnetwork.egress[0]"},
		{"ICMP to more than the ceiling's", `ceiling: network: {modes: ["private"], egress: [{host: "*.example.org", protocol: "icmp"}]}`, `ports: ["443"], protocol: "tcp"`, `protocol: "icmp"`, "ceiling egress:api.example.com:icmpnetwork.egress[0]"},
		{"a network mode that is not listed", `ceiling: network: {modes: ["private"]}`, `mode: "private", egress: [{host: "api.example.com", ports`, `mode: "host", egress: [{ports`, "ceiling network:host"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			got := check(t, head+tt.policy, strings.Replace(allowed, tt.old, tt.new, 1))
			if !strings.HasPrefix(strings.Join(got, "\n"), tt.want) {
				t.Errorf("got %q, want %q", got, tt.want)
			}
		})
	}
}

func TestCeilingOfICMP(t *testing.T) {
	ping := strings.Replace(allowed, `ports: ["443"], protocol: "tcp"`, `protocol: "icmp"`, 1)
	for _, entry := range []string{`{protocol: "icmp"}`, `{host: "*.example.com", protocol: "icmp"}`} {
		policy := "version: 1, name: \"p\", ceiling: network: {modes: [\"private\"], egress: [" + entry + "]}"
		if got := check(t, policy, ping); len(got) > 0 {
			t.Errorf("a ceiling with %s: %q", entry, got)
		}
	}
}

// A policy that cannot be evaluated is an error and never a pass.
func TestPolicyErrors(t *testing.T) {
	const head = "version: 1, name: \"p\"\n"
	for _, tt := range []struct{ name, policy, want string }{
		{"no rule", head, "policy.cue:1:1: expected at least one rule"},
		{"empty", "", "policy.cue:1:1: version: missing"},
		{"rule with a spelling mistake", head + `maxlevel: "normal"`, "policy.cue:2:1: maxlevel: unknown field"},
		{"level that does not exist", head + `maxLevel: "high"`, `policy.cue:2:1: maxLevel: expected "normal", "dangerous" or "special", not "high"`},
		{"level left open", head + `maxLevel: string`, "policy.cue:2:11: maxLevel: expected a value that is decided"},
		{"reference to nothing", head + `manifest: resources: memory: max`, `policy.cue:2:30: reference "max" not found`},
		{"contradiction", head + `manifest: resources: pids: 3 & 4`, "policy.cue:"},
		{"forbidden conditions, which could be passed by wider ones", head + `forbid: [{permission: "syscall:socket(0=AF_PACKET)", reason: "x"}]`, "policy.cue:2:11: forbid[0].permission: expected kind:name"},
		{"ceiling with a call that does not exist", head + `ceiling: syscalls: {architecture: "amd64", kernel: "6.18", allow: [{name: "raed"}]}`, `policy policy.cue: ceiling: invalid manifest: syscalls.allow[0].name: "raed"`},
		{"not CUE", head + "forbid: [", "policy.cue:"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			found, err := schema.Check([]byte(tt.policy), "policy.cue", decode(t, allowed))
			if err == nil || found != nil || !strings.HasPrefix(err.Error(), tt.want) {
				t.Errorf("got %v, %v\nwant %s", found, err, tt.want)
			}
		})
	}
}
