package host

import (
	"slices"
	"strings"

	"golang.org/x/sys/unix"
)

// cgroup1 returns, for root, the own folder in the hierarchy of each
// controller of cgroup v1 that lpm has limits for.
func (m machine) cgroup1() (map[string]string, error) {
	if m.uid != 0 {
		return nil, nil
	}
	membership, err := m.read("/proc/self/cgroup")
	groups := v1Groups(membership)
	if err != nil || len(groups) == 0 {
		return nil, err
	}
	mounts, err := m.read("/proc/self/mountinfo")
	if err != nil {
		return nil, err
	}
	folders := map[string]string{}
	for controller, group := range groups {
		_, dir := locate(mounts, "cgroup", controller, group)
		if dir != "" && unix.Access(m.file(dir), unix.W_OK) == nil {
			folders[controller] = dir
		}
	}
	if len(folders) == 0 {
		return nil, nil
	}
	return folders, nil
}

// v1Groups returns the path of the own group for each controller of cgroup v1
// that lpm has limits for; see cgroups(7), /proc/pid/cgroup.
func v1Groups(membership string) map[string]string {
	groups := map[string]string{}
	for line := range strings.Lines(membership) {
		fields := strings.SplitN(strings.TrimSuffix(line, "\n"), ":", 3)
		if len(fields) != 3 || !strings.HasPrefix(fields[2], "/") {
			continue
		}
		for controller := range strings.SplitSeq(fields[1], ",") {
			if slices.Contains([]string{"blkio", "cpu", "memory", "pids"}, controller) {
				groups[controller] = fields[2]
			}
		}
	}
	return groups
}
