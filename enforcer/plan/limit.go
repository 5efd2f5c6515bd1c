package plan

import (
	"fmt"
	"strings"

	"github.com/least-privilege/lpm/manifest"
)

// GroupKind says who makes a container's control group.
type GroupKind string

const (
	// GroupNone is for a container that needs none.
	GroupNone GroupKind = ""
	// GroupDelegated is made by lpm below the cgroup v2 folder that was
	// delegated to the caller.
	GroupDelegated GroupKind = "cgroup v2"
	// GroupScope is a transient scope of the caller's systemd.
	GroupScope GroupKind = "systemd scope"
	// GroupV1 is made by root's lpm, one group for each controller.
	GroupV1 GroupKind = "cgroup v1"
)

// Group is the control group that a container starts in.
type Group struct {
	Kind GroupKind `json:"kind,omitempty"`
	// Resources are the bounds that the group sets, and no others.
	Resources manifest.Resources `json:"resources"`
}

// Attached reports whether the launcher puts the container's first process into
// the group, which it cannot be started in.
func (g Group) Attached() bool { return g.Kind == GroupScope || g.Kind == GroupV1 }

// Limit is a bound on what a container uses, and what holds it to that.
type Limit struct {
	// Resource is the manifest's name of the bound, such as "memory".
	Resource string `json:"resource"`
	// Value is in the manifest's unit.
	Value int64 `json:"value"`
	// By is what enforces it: "RLIMIT_NPROC", "cgroup v2 /sys/fs/cgroup/…",
	// "systemd scope lpm-….scope". In a plan the group has no name yet.
	By string `json:"by"`
}

// String returns the limit as a person reads it.
func (l Limit) String() string { return l.text() + " by " + l.By }

func (l Limit) text() string {
	for _, b := range l.resources().Bounds() {
		return b.Name + " " + b.Text
	}
	return fmt.Sprintf("%s %d", l.Resource, l.Value)
}

// resources returns the manifest's section with nothing but the limit.
func (l Limit) resources() manifest.Resources {
	v := l.Value
	return manifest.Resources{Memory: v, PIDs: v, MilliCPU: v, IOWeight: v, OpenFiles: v, FileSize: v}.Only(l.Resource)
}

// Enforcement is what became of the bounds at one launch.
type Enforcement struct {
	Enforced []Limit `json:"enforced"`
	// Unenforced says what the host cannot enforce and the caller accepted.
	Unenforced []string `json:"unenforced,omitempty"`
}

// String returns the limits in one line, those with one cause together. What is
// not enforced is a matter of warnings.
func (e Enforcement) String() string {
	var parts []string
	for i, l := range e.Enforced {
		text := l.text()
		if i > 0 && e.Enforced[i-1].By == l.By {
			parts[len(parts)-1] += ", " + text
			continue
		}
		parts = append(parts, l.By+": "+text)
	}
	if len(e.Enforced) == 0 {
		parts = append(parts, "no limits")
	}
	return strings.Join(parts, "; ")
}

// Enforcement returns what the plan enforces. name is that of the group that
// was made: a cgroup's path or a scope's name.
func (p *Plan) Enforcement(name string) Enforcement {
	e := Enforcement{Enforced: []Limit{}, Unenforced: p.Unenforced}
	for _, l := range p.Limits {
		if p.Group.Kind != GroupNone && l.By == string(p.Group.Kind) {
			l.By += " " + name
		}
		e.Enforced = append(e.Enforced, l)
	}
	return e
}
