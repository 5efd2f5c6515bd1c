package limit

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/least-privilege/lpm/enforcer/cgroup"
	"github.com/least-privilege/lpm/enforcer/cgroup/scope"
	"github.com/least-privilege/lpm/enforcer/plan"
	"github.com/least-privilege/lpm/manifest"
)

// TestNoGroup: where the plan needs none, nothing is done.
func TestNoGroup(t *testing.T) {
	p := &plan.Plan{Limits: []plan.Limit{{Resource: "openFiles", Value: 64, By: "RLIMIT_NOFILE"}}}
	g, err := Open(t.Context(), p, plan.Host{})
	if err != nil {
		t.Fatal(err)
	}
	if g.Dir() != nil {
		t.Error("there is a folder to start in")
	}
	if err := errors.Join(g.Attach(t.Context(), os.Getpid()), g.Close(), g.Close()); err != nil {
		t.Error(err)
	}
	if got := g.Enforcement().String(); got != "RLIMIT_NOFILE: openFiles 64" {
		t.Errorf("enforced is %q", got)
	}
}

// TestGroupsThatCannotBeMade: each kind fails with an error of its package, and
// leaves nothing behind.
func TestGroupsThatCannotBeMade(t *testing.T) {
	dir := t.TempDir()
	for _, test := range []struct {
		name string
		kind plan.GroupKind
		host plan.Host
		want error
	}{
		{"a folder that is no cgroup", plan.GroupDelegated, plan.Host{Cgroup: dir}, os.ErrNotExist},
		{"nobody at the socket", plan.GroupScope, plan.Host{Manager: plan.Manager{Addresses: []string{"unix:path=" + dir + "/nobody"}}}, scope.ErrUnreachable},
		{"a folder that is none of v1", plan.GroupV1, plan.Host{Cgroup1: map[string]string{"pids": dir}}, cgroup.ErrUnsupported},
		{"a controller that is missing", plan.GroupV1, plan.Host{Cgroup1: map[string]string{"memory": dir}}, cgroup.ErrController},
		{"a kind of another release", "other", plan.Host{}, nil},
	} {
		t.Run(test.name, func(t *testing.T) {
			p := &plan.Plan{Group: plan.Group{Kind: test.kind, Resources: manifest.Resources{PIDs: 7}}}
			g, err := Open(t.Context(), p, test.host)
			if err == nil {
				g.Close()
				t.Fatal("it was made")
			}
			if test.want != nil && !errors.Is(err, test.want) {
				t.Errorf("got %v, want %v", err, test.want)
			}
			if left, _ := filepath.Glob(dir + "/*"); len(left) > 0 {
				t.Errorf("left %q", left)
			}
			if strings.Contains(err.Error(), "\n") {
				t.Errorf("not one line: %v", err)
			}
		})
	}
}
