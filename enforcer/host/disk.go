package host

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path"
	"slices"
	"strings"

	"github.com/least-privilege/lpm/enforcer/plan"
)

// weighedDisks returns the disks where groups can have weights for them.
func (m machine) weighedDisks(h plan.Host) ([]plan.Disk, error) {
	_, blkio := h.Cgroup1["blkio"]
	if !blkio && !slices.Contains(h.Controllers, "io") && !slices.Contains(h.Manager.Controllers, "io") {
		return nil, nil
	}
	return m.disks()
}

// disks returns the disks of the machine, and which of them heed the weights
// of control groups: those that have the scheduler bfq, and those for which
// root has switched the controller iocost on (the kernel's cgroup-v2
// documentation, IO Interface Files).
func (m machine) disks() ([]plan.Disk, error) {
	const folder = "/sys/block"
	entries, err := os.ReadDir(m.file(folder))
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	} else if err != nil {
		return nil, fmt.Errorf("looking for disks: %w", err)
	}
	qos, err := m.read(path.Join(usualMount, "io.cost.qos"))
	if err != nil {
		return nil, err
	}
	var disks []plan.Disk
	for _, entry := range entries {
		dir := path.Join(folder, entry.Name())
		// Loop devices and the like have no device behind them, but disks
		// that count for themselves; empty drives have no size, and the
		// paths of a disk that has several no number.
		real, err := m.exists(path.Join(dir, "device"))
		if err != nil {
			return nil, err
		}
		facts := map[string]string{}
		for _, name := range []string{"size", "dev", "queue/scheduler"} {
			if facts[name], err = m.read(path.Join(dir, name)); err != nil {
				return nil, err
			}
		}
		if !real || facts["dev"] == "" || strings.TrimSpace(facts["size"]) == "0" {
			continue
		}
		disk := plan.Disk{Name: entry.Name()}
		switch {
		case slices.Contains(strings.Fields(facts["queue/scheduler"]), "[bfq]"):
			disk.Weights = "bfq"
		case costed(qos, strings.TrimSpace(facts["dev"])):
			disk.Weights = "iocost"
		}
		disks = append(disks, disk)
	}
	return disks, nil
}

// costed tells whether iocost is switched on for a device, from the content of
// io.cost.qos: lines such as "8:16 enable=1 ctrl=auto …".
func costed(qos, device string) bool {
	for line := range strings.Lines(qos) {
		if fields := strings.Fields(line); len(fields) > 1 && fields[0] == device {
			return slices.Contains(fields, "enable=1")
		}
	}
	return false
}
