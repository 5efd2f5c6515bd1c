package host

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/least-privilege/lpm/enforcer/launch"
	"github.com/least-privilege/lpm/enforcer/plan"
	"github.com/least-privilege/lpm/enforcer/userns"
)

func (i *inspection) findMappers(_ context.Context, f Finding) Finding {
	for _, tool := range []string{"newuidmap", "newgidmap"} {
		path, err := i.mapper(tool)
		if err != nil {
			return f.settle(false, err)
		}
		if path == "" {
			f.Detail = tool + " is not installed, or without the right to map ids (a set-user-id bit or a file capability)"
			return f.settle(false, nil)
		}
	}
	return f.settle(true, nil)
}

func (i *inspection) findSubordinate(_ context.Context, f Finding) Finding {
	id, err := i.rangeIdentity()
	switch {
	case errors.Is(err, plan.ErrNoSubordinateIDs):
		f.Detail = "fewer than 65,535 ids in /etc/subuid or /etc/subgid"
		f.Hint, err = i.addRange()
		return f.settle(false, err)
	case err != nil:
		return f.settle(false, err)
	}
	f.Detail = fmt.Sprintf("user ids from %d, group ids from %d", id.UIDs[1].Host, id.GIDs[1].Host)
	mapping := error(nil)
	err = launch.Try(launch.Trial{Trial: plan.TrialUser(), MapIDs: func(pid int) error {
		mapping = userns.Map(pid, id)
		return mapping
	}})
	if mapping != nil {
		f.Detail, f.Hint = mapping.Error(), "sudo apt-get install --reinstall uidmap"
		return f.settle(false, nil)
	}
	return f.settle(true, err)
}

// rangeIdentity is the caller's range of ids as a container has it.
func (m machine) rangeIdentity() (id plan.Identity, err error) {
	uids, gids, err := m.ranges()
	if err != nil {
		return id, err
	}
	if id.UIDs, err = plan.RangeMap(m.uid, uids); err != nil {
		return id, err
	}
	id.GIDs, err = plan.RangeMap(m.gid, gids)
	id.Setgroups = true
	return id, err
}

// addRange returns the command that gives the caller a range that no line of
// the two files has.
func (m machine) addRange() (string, error) {
	const usual, size = 100000, 65536
	names, err := m.names()
	if err != nil {
		return "", err
	}
	first := uint64(usual)
	for _, path := range []string{"/etc/subuid", "/etc/subgid"} {
		content, err := m.read(path)
		if err != nil {
			return "", err
		}
		for line := range strings.Lines(content) {
			if _, taken, ok := parseSubordinate(line); ok {
				first = max(first, uint64(taken.Host)+uint64(taken.Size))
			}
		}
	}
	// The last name is the login name where there is one, else the number.
	return fmt.Sprintf("sudo usermod --add-subuids %d-%d --add-subgids %[1]d-%[2]d %[3]s",
		first, first+size-1, names[len(names)-1]), nil
}
