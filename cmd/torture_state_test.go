package cmd_test

import (
	"bufio"
	"bytes"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"
)

// patience is how long the kernel and killed processes may take to be gone.
// What waits looks often, and ends at once when there is nothing to wait for.
const patience = 30 * time.Second

// settled waits until what reports nothing, and returns its last report.
func settled(what func() string) string {
	for deadline := time.Now().Add(patience); ; time.Sleep(time.Millisecond) {
		if report := what(); report == "" || time.Now().After(deadline) {
			return report
		}
	}
}

// procFile reads a file of a process; it is empty for one that is gone or
// hidden.
func procFile(pid int, name string) string {
	content, err := os.ReadFile(filepath.Join("/proc", strconv.Itoa(pid), name))
	if err != nil {
		return ""
	}
	return string(content)
}

// readLine returns the first line, without its end.
func readLine(r io.Reader) (string, error) {
	line, err := bufio.NewReader(r).ReadString('\n')
	return strings.TrimSuffix(line, "\n"), err
}

// processes returns the ids of all processes.
func processes() []int {
	entries, err := os.ReadDir("/proc")
	if err != nil {
		return nil
	}
	var pids []int
	for _, e := range entries {
		if pid, err := strconv.Atoi(e.Name()); err == nil {
			pids = append(pids, pid)
		}
	}
	return pids
}

// owns reports whether a process has come of this lpm.
func (o *torture) owns(pid int) bool {
	return strings.Contains(procFile(pid, "cmdline"), o.token) || strings.Contains(procFile(pid, "environ"), o.token)
}

// alive returns the processes that have come of this lpm.
func (o *torture) alive() []int {
	var pids []int
	for _, pid := range processes() {
		if o.owns(pid) {
			pids = append(pids, pid)
		}
	}
	return pids
}

// mounts returns this process's mounts that are of the work folder.
func (o *torture) mounts() string {
	content, err := os.ReadFile("/proc/self/mountinfo")
	if err != nil {
		return err.Error()
	}
	var found []string
	for line := range strings.SplitSeq(string(content), "\n") {
		if strings.Contains(line, o.work) {
			found = append(found, line)
		}
	}
	return strings.Join(found, "\n")
}

// clean wants nothing to be left running or mounted.
func (o *torture) clean(t *testing.T) {
	t.Helper()
	left := settled(func() string {
		var lines []string
		for _, pid := range o.alive() {
			lines = append(lines, fmt.Sprintf("%d %q: %q", pid, strings.TrimSpace(procFile(pid, "comm")), procFile(pid, "cmdline")))
		}
		return strings.Join(lines, "\n")
	})
	if left != "" {
		t.Errorf("left running:\n%s", left)
	}
	if left := o.mounts(); left != "" {
		t.Errorf("left mounted:\n%s", left)
	}
}

// entries returns the names in a folder of the store.
func (o *torture) entries(folder string) []string {
	entries, err := os.ReadDir(filepath.Join(o.store, folder))
	if err != nil {
		return []string{err.Error()}
	}
	var names []string
	for _, e := range entries {
		names = append(names, e.Name())
	}
	return names
}

// possessions are what containers could leave to the person who starts them.
type possessions struct {
	descriptors  int // of this process
	mounts       string
	files, bytes int64 // of the store and the settings, on the disk
}

func (o *torture) possessions(t *testing.T) possessions {
	t.Helper()
	p := possessions{mounts: o.mounts()}
	open, err := os.ReadDir("/proc/self/fd")
	if err != nil {
		t.Fatal(err)
	}
	p.descriptors = len(open)
	err = filepath.WalkDir(o.work, func(_ string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		info, err := d.Info()
		if err == nil {
			p.files++
			p.bytes += info.Sys().(*syscall.Stat_t).Blocks * 512
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return p
}

// cgroupsOf returns the cgroups that were made by the processes, which their
// names tell.
func cgroupsOf(t *testing.T, pids map[int]bool) []string {
	t.Helper()
	var found []string
	err := filepath.WalkDir("/sys/fs/cgroup", func(path string, d fs.DirEntry, err error) error {
		if err != nil || !d.IsDir() {
			return nil // It has just gone, or is none of ours.
		}
		name, ours := strings.CutPrefix(d.Name(), "lpm-")
		if text, _, ok := strings.Cut(name, "-"); ours && ok {
			if pid, err := strconv.Atoi(text); err == nil && pids[pid] {
				found = append(found, path)
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return found
}

// objects counts what the whole kernel has of something. Others on the machine
// use these too, so only a growth with the number of containers says something.
type objects map[string]int64

// perContainer is how much of each may be left of a container. The counters
// of caches are those of /proc/slabinfo, in objects, which root alone may read;
// the rest of memory is in KiB, of which a network namespace takes some
// hundred.
func perContainer() map[string]float64 {
	all := map[string]float64{"memory": 4, "namespaces": 0.5}
	for _, cache := range []string{
		"mnt_cache", "nsproxy", "pid_namespace", "net_namespace", "user_namespace", "uts_namespace",
		"pid", "task_struct", "signal_cache", "cred", "filp", "sock_inode_cache",
	} {
		all["cache "+cache] = 0.5
	}
	return all
}

// slack is what others may take or give back meanwhile.
func slack(name string) int64 {
	if name == "memory" {
		return 256 << 10
	}
	return 2000
}

func kernelObjects(t *testing.T) objects {
	t.Helper()
	o := objects{"namespaces": int64(len(namespaces()))}
	meminfo, err := os.ReadFile("/proc/meminfo")
	if err != nil {
		t.Fatal(err)
	}
	// What the kernel takes for itself and cannot give back.
	for _, name := range []string{"SUnreclaim", "KernelStack", "PageTables", "Percpu"} {
		_, rest, _ := strings.Cut(string(meminfo), "\n"+name+":")
		var kib int64
		if _, err := fmt.Sscan(rest, &kib); err == nil {
			o["memory"] += kib
		}
	}
	caches, err := os.ReadFile("/proc/slabinfo")
	if err != nil {
		return o
	}
	for line := range strings.SplitSeq(string(caches), "\n") {
		f := strings.Fields(line)
		if len(f) < 2 {
			continue
		}
		if n, err := strconv.ParseInt(f[1], 10, 64); err == nil {
			o["cache "+f[0]] = n
		}
	}
	return o
}

// namespaces returns those that processes that can be seen are in.
func namespaces() map[string]bool {
	all := map[string]bool{}
	for _, pid := range processes() {
		dir := filepath.Join("/proc", strconv.Itoa(pid), "ns")
		entries, err := os.ReadDir(dir)
		if err != nil {
			continue
		}
		for _, e := range entries {
			if target, err := os.Readlink(filepath.Join(dir, e.Name())); err == nil {
				all[target] = true
			}
		}
	}
	return all
}

// within wants what the kernel has to have grown by less than so many
// containers would leave, if each left something. The kernel takes namespaces
// apart at its leisure.
func (was objects) within(t *testing.T, containers int) {
	t.Helper()
	var last bytes.Buffer
	left := settled(func() string {
		is := kernelObjects(t)
		last.Reset()
		var grown []string
		for name, each := range perContainer() {
			if _, known := was[name]; !known {
				continue
			}
			fmt.Fprintf(&last, "%s %d→%d; ", name, was[name], is[name])
			if is[name]-was[name] > int64(each*float64(containers))+slack(name) {
				grown = append(grown, fmt.Sprintf("%s: %d, was %d", name, is[name], was[name]))
			}
		}
		return strings.Join(grown, "\n")
	})
	t.Logf("the kernel: %s", last.String())
	if left != "" {
		t.Errorf("after %d containers the kernel has grown:\n%s", containers, left)
	}
}
