package host

import (
	"strings"
	"testing"

	"github.com/least-privilege/lpm/enforcer/launch"
	"github.com/least-privilege/lpm/enforcer/plan"
)

// TestConfigured: a refusal that the kernel writes into its answer is one that
// people can read.
func TestConfigured(t *testing.T) {
	trial := plan.TrialInterface()
	f := Finding{Hint: "do this"}.configured(&launch.OpError{Op: trial.Ops[2]}, "the kernel makes none")
	if f.State != Missing || f.Detail != "the kernel makes none" || f.Hint != "do this" {
		t.Errorf("got %+v", f)
	}
	if f := (Finding{}).configured(nil, "the kernel makes none"); f.State != Present || f.Detail != "" {
		t.Errorf("got %+v", f)
	}
	// With an error number, that is what is said.
	f = Finding{}.configured(&launch.OpError{Op: trial.Ops[0], Errno: 97}, "the kernel makes none")
	if f.State != Missing || !strings.Contains(f.Detail, "not supported") {
		t.Errorf("got %+v", f)
	}
}
