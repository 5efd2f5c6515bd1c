// Package userns works inside user namespaces that the caller's subordinate
// ids are mapped into.
//
// A container's tree has files of many owners. To the caller these are
// foreign ids; in a namespace that maps them, the caller is root over exactly
// those files and nothing else. [Map] writes the maps of a new namespace, and
// [Run] does a piece of lpm's work inside one, in a process of its own.
package userns

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"strconv"

	"github.com/least-privilege/lpm/enforcer/plan"
)

// Map writes the maps of the user namespace of process pid, which has been
// made by the caller and has none yet. A single id needs no help; a range is
// mapped by newuidmap and newgidmap, which hold it against /etc/subuid.
func Map(pid int, id plan.Identity) error {
	proc := "/proc/" + strconv.Itoa(pid) + "/"
	if !id.Setgroups {
		if err := os.WriteFile(proc+"setgroups", []byte("deny"), 0); err != nil {
			return fmt.Errorf("giving up setgroups: %w", err)
		}
	}
	if err := write(proc+"gid_map", "newgidmap", pid, id.GIDs); err != nil {
		return err
	}
	return write(proc+"uid_map", "newuidmap", pid, id.UIDs)
}

func write(file, tool string, pid int, maps []plan.IDMap) error {
	if len(maps) == 1 || os.Geteuid() == 0 {
		var b bytes.Buffer
		for _, m := range maps {
			fmt.Fprintf(&b, "%d %d %d\n", m.Container, m.Host, m.Size)
		}
		// The kernel takes the whole map in one write, once.
		if err := os.WriteFile(file, b.Bytes(), 0); err != nil {
			return fmt.Errorf("mapping ids: %w", err)
		}
		return nil
	}
	args := []string{strconv.Itoa(pid)}
	for _, m := range maps {
		for _, n := range []uint32{m.Container, m.Host, m.Size} {
			args = append(args, strconv.FormatUint(uint64(n), 10))
		}
	}
	cmd := exec.Command(tool, args...)
	output, err := cmd.CombinedOutput()
	if err == nil {
		return nil
	}
	if said := bytes.TrimSpace(output); len(said) > 0 {
		return fmt.Errorf("mapping a range of ids: %w: %s", err, said)
	}
	if errors.Is(err, exec.ErrNotFound) {
		return plan.ErrNoSubordinateIDs
	}
	return fmt.Errorf("mapping a range of ids: %w", err)
}
