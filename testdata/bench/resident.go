package main

import (
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
)

// resident returns how much memory, in MB, the process takes that has the
// network's work to do: of a command's process, or those that descend from it,
// the one of that name. Where no process does, it is 0.
func (r road) resident(pid int) (float64, error) {
	if r.process == "" {
		return 0, nil
	}
	parents, err := processes()
	if err != nil {
		return 0, err
	}
	for _, p := range descend(parents, pid) {
		folder := "/proc/" + strconv.Itoa(p)
		name, err := os.ReadFile(folder + "/comm")
		if err != nil || !strings.HasPrefix(string(name), r.process) {
			continue // another, or ended meanwhile
		}
		status, err := os.ReadFile(folder + "/status")
		if err != nil {
			return 0, err
		}
		kib, err := field(status, "VmRSS")
		return kib * 1024 / 1e6, err
	}
	return 0, fmt.Errorf("there is no process %s", r.process)
}

// processes returns the parent of each process.
func processes() (map[int]int, error) {
	all, err := filepath.Glob("/proc/[0-9]*/stat")
	if err != nil {
		return nil, err
	}
	parents := map[int]int{}
	for _, file := range all {
		text, err := os.ReadFile(file)
		if err != nil {
			continue // it has ended
		}
		// The name, which can have anything in it, ends with the last bracket.
		after := strings.Fields(string(text[strings.LastIndexByte(string(text), ')')+1:]))
		pid, err1 := strconv.Atoi(filepath.Base(filepath.Dir(file)))
		if len(after) < 2 || err1 != nil {
			continue
		}
		if parents[pid], err = strconv.Atoi(after[1]); err != nil {
			return nil, fmt.Errorf("reading %s: %w", file, err)
		}
	}
	return parents, nil
}

// descend returns a process and all that descend from it.
func descend(parents map[int]int, pid int) []int {
	found := []int{pid}
	for i := 0; i < len(found); i++ {
		for child, parent := range parents {
			if parent == found[i] {
				found = append(found, child)
			}
		}
	}
	return found
}
