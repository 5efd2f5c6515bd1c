package host

import (
	"strings"
	"testing"

	"golang.org/x/sys/unix"
)

// TestSummary: one line says whether lpm run works and what does without.
func TestSummary(t *testing.T) {
	fine := Finding{Name: "kernel", Use: "everything", State: Present, Required: true}
	for _, test := range []struct {
		name     string
		findings []Finding
		works    bool
		line     string
	}{
		{"all is there", []Finding{fine}, true, "lpm run works here, with all that a manifest can ask for"},
		{
			"something optional is missing", []Finding{fine, {Name: "a", Use: "limits", State: Missing}, {Name: "b", Use: "ports", State: Missing}},
			true, "lpm run works here, but for: limits (a); ports (b)",
		},
		{
			"something optional cannot be told", []Finding{fine, {Name: "a", Use: "limits", State: Inconclusive}},
			true, "lpm run works here, but for: perhaps limits (a)",
		},
		{
			"something required is missing", []Finding{fine, {Name: "c", Use: "ids", State: Missing}, {Name: "a", State: Missing, Required: true}},
			false, "lpm run does not work here: a is missing",
		},
		{
			"something required cannot be told", []Finding{{Name: "a", State: Inconclusive, Required: true}, {Name: "b", State: Missing, Required: true}},
			false, "lpm run does not work here: a cannot be told, b is missing",
		},
	} {
		t.Run(test.name, func(t *testing.T) {
			if works, line := Summary(test.findings); works != test.works || line != test.line {
				t.Errorf("got %t, %q", works, line)
			}
		})
	}
}

// TestLandlockFindings: each version of Landlock, and what it is good for.
func TestLandlockFindings(t *testing.T) {
	for _, test := range []struct {
		abi           int
		detail        string
		ports, scopes State
	}{
		{0, "without execute (ABI 1, Linux 5.13)", Missing, Missing},
		{1, "ABI 1, without refer (ABI 2, Linux 5.19), truncate", Missing, Missing},
		{2, "ABI 2, without truncate (ABI 3, Linux 6.2), bind_tcp", Missing, Missing},
		{3, "ABI 3, without bind_tcp (ABI 4, Linux 6.7), connect_tcp", Missing, Missing},
		{4, "ABI 4, without ioctl_dev (ABI 5, Linux 6.10)", Present, Missing},
		{5, "ABI 5, without scope_abstract_unix_socket (ABI 6, Linux 6.12), scope_signal", Present, Missing},
		{6, "ABI 6, without log_subdomains_off (ABI 7, Linux 6.15)", Present, Present},
		{7, "ABI 7", Present, Present},
		{9, "ABI 9", Present, Present},
	} {
		if got := landlockDetail(test.abi); !strings.Contains(got, test.detail) || test.abi >= 7 && got != test.detail {
			t.Errorf("ABI %d: %q, want %q", test.abi, got, test.detail)
		}
		ports := Finding{}.landlock("LANDLOCK_ACCESS_NET_", test.abi, nil)
		scopes := Finding{}.landlock("LANDLOCK_SCOPE_", test.abi, nil)
		if ports.State != test.ports || scopes.State != test.scopes || (ports.State == Missing) != strings.Contains(ports.Hint, "6.7") ||
			(scopes.State == Missing) != strings.Contains(scopes.Hint, "6.12") {
			t.Errorf("ABI %d: ports %+v, scopes %+v", test.abi, ports, scopes)
		}
	}
	if f := (Finding{}).landlock("LANDLOCK_SCOPE_", 0, unix.EIO); f.State != Inconclusive {
		t.Errorf("an error: got %+v", f)
	}
}
