package main

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
)

// memory is what lpm's process takes, each time that it is looked at, in MB.
type memory struct {
	program string
	taken   alternative
}

// look notes what a process takes: what is resident of it, and of that what no
// other process has a part in.
func (m *memory) look(pid int) error {
	proc := "/proc/" + strconv.Itoa(pid)
	exe, err := os.Readlink(proc + "/exe")
	if err != nil {
		return err
	}
	m.program = filepath.Base(exe)
	status, err := os.ReadFile(proc + "/status")
	if err != nil {
		return err
	}
	maps, err := os.ReadFile(proc + "/smaps_rollup")
	if err != nil {
		return err
	}
	var values []float64
	for _, v := range []struct {
		text  []byte
		names []string
	}{{status, []string{"VmRSS"}}, {maps, []string{"Private_Clean", "Private_Dirty"}}, {maps, []string{"Anonymous"}}} {
		sum := 0.0
		for _, name := range v.names {
			kib, err := field(v.text, name)
			if err != nil {
				return err
			}
			sum += kib * 1024 / 1e6
		}
		values = append(values, sum)
	}
	m.taken.taken = append(m.taken.taken, values)
	return nil
}

// field returns the number in a line "NAME: NUMBER kB".
func field(text []byte, name string) (float64, error) {
	for line := range bytes.Lines(text) {
		rest, ok := bytes.CutPrefix(line, []byte(name+":"))
		if !ok {
			continue
		}
		number, _, _ := bytes.Cut(bytes.TrimSpace(rest), []byte(" "))
		return strconv.ParseFloat(string(number), 64)
	}
	return 0, fmt.Errorf("no line of %s", name)
}

func (m *memory) print() error {
	t := table{title: fmt.Sprintf("Memory of the process that supervises redis, after that work (%s)", m.program)}
	t.row("", "median MB", "largest MB")
	for i, what := range []string{"resident", "of that private", "of that anonymous"} {
		t.row(what, figure(m.taken.median(i)), figure(m.taken.quantile(i, 1)))
	}
	return t.print()
}
