package scope

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"github.com/godbus/dbus/v5"

	"github.com/least-privilege/lpm/enforcer/cgroup"
	"github.com/least-privilege/lpm/manifest"
)

const (
	service       = "org.freedesktop.systemd1"
	object        = "/org/freedesktop/systemd1"
	managerMethod = "org.freedesktop.systemd1.Manager."
	jobRemoved    = managerMethod + "JobRemoved"

	jobRemovedRule = "type='signal',sender='" + service + "',path='" + object +
		"',interface='org.freedesktop.systemd1.Manager',member='JobRemoved'"
)

// Suffix is how the names of scopes end.
const Suffix = ".scope"

// Request describes a scope.
type Request struct {
	// Name is the unit's; it ends in [Suffix].
	Name string
	// Description is what systemctl shows beside it.
	Description string
	// PID is the process to move. It has to be alive, and the caller's.
	PID int
	// Resources are the limits; those that are no cgroup's are left out.
	Resources manifest.Resources
}

// property is a property of a unit, of the D-Bus type (sv).
type property struct {
	Name  string
	Value dbus.Variant
}

// auxiliary is a unit that is started along, of the type (sa(sv)).
type auxiliary struct {
	Name       string
	Properties []property
}

// Start makes the scope and returns once the process is in it and all limits
// are in force; path is the group's folder. Errors are of type [*Error], with
// [ErrUnreachable], [ErrSilent], [ErrRefused] or [cgroup.ErrNotSet] in their
// chain. After an error there may be a scope until the process ends.
func (c *Conn) Start(ctx context.Context, r Request) (path string, err error) {
	doing := "starting the systemd scope " + r.Name
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	var job dbus.ObjectPath
	err = c.bus.Object(service, object).CallWithContext(ctx, managerMethod+"StartTransientUnit", 0,
		r.Name, "fail", properties(r), []auxiliary{}).Store(&job)
	if err != nil {
		return "", failure(ctx, doing, err)
	}
	result, err := c.ended(ctx, job)
	if err != nil {
		return "", failure(ctx, doing, err)
	}
	if result != "done" {
		return "", &Error{Doing: doing, Err: fmt.Errorf("%w: the result is %q", ErrRefused, result), hint: journalHint(r.Name)}
	}
	if path, err = c.folder(r); err != nil {
		return "", &Error{Doing: doing, Err: err}
	}
	if err := cgroup.Check(path, r.Resources); err != nil {
		return "", &Error{Doing: doing, Err: err, hint: delegateHint}
	}
	return path, nil
}

func journalHint(unit string) string {
	if os.Getuid() == 0 {
		return "look at: journalctl -u " + unit
	}
	return "look at: journalctl --user -u " + unit
}

// properties returns the scope's properties, named and measured as in
// org.freedesktop.systemd1(5).
func properties(r Request) []property {
	var all []property
	add := func(name string, value any) { all = append(all, property{name, dbus.MakeVariant(value)}) }
	add("Description", r.Description)
	add("PIDs", []uint32{uint32(r.PID)})
	// One whose processes were killed for want of memory goes away too.
	add("CollectMode", "inactive-or-failed")
	var controllers []string
	if l := r.Resources; l.Memory > 0 {
		controllers = append(controllers, "memory")
		add("MemoryMax", uint64(l.Memory))
		add("MemorySwapMax", uint64(0))
	}
	if l := r.Resources; l.PIDs > 0 {
		controllers = append(controllers, "pids")
		add("TasksMax", uint64(l.PIDs))
	}
	if l := r.Resources; l.MilliCPU > 0 {
		controllers = append(controllers, "cpu")
		add("CPUQuotaPerSecUSec", uint64(l.MilliCPU)*1000)
	}
	if l := r.Resources; l.IOWeight > 0 {
		controllers = append(controllers, "io")
		add("IOWeight", uint64(l.IOWeight))
	}
	// Inside a delegated group systemd leaves everything to the container:
	// in others it would end all processes after the kernel has killed one
	// for want of memory (OOMPolicy=, systemd 253).
	add("DelegateControllers", controllers)
	return all
}

// ended waits for the end of a job and returns its result.
func (c *Conn) ended(ctx context.Context, job dbus.ObjectPath) (string, error) {
	for {
		select {
		case <-ctx.Done():
			return "", ctx.Err()
		case s, ok := <-c.signals:
			if !ok {
				return "", errors.New("the connection has ended")
			}
			var (
				id           uint32
				path         dbus.ObjectPath
				unit, result string
			)
			if s.Name == jobRemoved && dbus.Store(s.Body, &id, &path, &unit, &result) == nil && path == job {
				return result, nil
			}
		}
	}
}

// folder returns the group that the process has been moved to.
func (c *Conn) folder(r Request) (string, error) {
	membership, err := os.ReadFile(filepath.Join(c.proc, strconv.Itoa(r.PID), "cgroup"))
	if err != nil {
		return "", fmt.Errorf("looking where the container is: %w", err)
	}
	for line := range strings.Lines(string(membership)) {
		group, unified := strings.CutPrefix(strings.TrimSuffix(line, "\n"), "0::/")
		if unified && filepath.Base(group) == r.Name {
			return filepath.Join(c.tree, group), nil
		}
	}
	return "", fmt.Errorf("%w: the container is in %q", ErrRefused, strings.TrimSpace(string(membership)))
}
