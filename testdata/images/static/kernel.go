package main

import (
	"bufio"
	"encoding/json"
	"fmt"
	"os"
	"runtime"
	"strconv"
	"strings"
	"syscall"
	"unsafe"

	"golang.org/x/sys/unix"
)

// state is what `status` prints. Field names of /proc/self/status are kept.
type state struct {
	PID      int               `json:"pid"`
	UID      int               `json:"uid"`
	GID      int               `json:"gid"`
	Groups   []int             `json:"groups"`
	UIDMap   []string          `json:"uidMap"`
	Hostname string            `json:"hostname"`
	Dir      string            `json:"dir"`
	Status   map[string]string `json:"status"`
	Limits   map[string]uint64 `json:"limits"`
	Mounts   []mount           `json:"mounts"`
	FDs      []string          `json:"fds"`
}

type mount struct {
	Path    string `json:"path"`
	Type    string `json:"type"`
	Options string `json:"options"`
}

func status([]string) error {
	s := state{PID: os.Getpid(), UID: os.Getuid(), GID: os.Getgid(), Status: map[string]string{}, Limits: map[string]uint64{}}
	s.Groups, _ = os.Getgroups()
	s.Hostname, _ = os.Hostname()
	s.Dir, _ = os.Getwd()
	var err error
	if s.UIDMap, err = lines("/proc/self/uid_map"); err != nil {
		return err
	}
	fields, err := lines("/proc/self/status")
	if err != nil {
		return err
	}
	for _, line := range fields {
		name, value, _ := strings.Cut(line, ":")
		if strings.HasPrefix(name, "Cap") || name == "NoNewPrivs" || strings.HasPrefix(name, "Seccomp") {
			s.Status[name] = strings.TrimSpace(value)
		}
	}
	for name, resource := range map[string]int{
		"nproc": unix.RLIMIT_NPROC, "nofile": unix.RLIMIT_NOFILE, "fsize": unix.RLIMIT_FSIZE, "core": unix.RLIMIT_CORE,
	} {
		var limit unix.Rlimit
		if err := unix.Getrlimit(resource, &limit); err != nil {
			return err
		}
		s.Limits[name] = limit.Cur
	}
	mounts, err := lines("/proc/self/mounts")
	if err != nil {
		return err
	}
	for _, line := range mounts {
		f := strings.Fields(line)
		s.Mounts = append(s.Mounts, mount{Path: f[1], Type: f[2], Options: f[3]})
	}
	fds, err := os.ReadDir("/proc/self/fd")
	if err != nil {
		return err
	}
	for _, fd := range fds {
		if target, err := os.Readlink("/proc/self/fd/" + fd.Name()); err == nil {
			s.FDs = append(s.FDs, fd.Name()+" "+target)
		}
	}
	out := json.NewEncoder(os.Stdout)
	out.SetIndent("", "  ")
	return out.Encode(s)
}

func lines(path string) ([]string, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	var all []string
	scanner := bufio.NewScanner(f)
	for scanner.Scan() {
		all = append(all, strings.Join(strings.Fields(scanner.Text()), " "))
	}
	return all, scanner.Err()
}

func terminal([]string) error {
	size, err := unix.IoctlGetWinsize(0, unix.TIOCGWINSZ)
	if err != nil {
		fmt.Println("no terminal")
		return nil
	}
	fmt.Printf("%d rows, %d columns\n", size.Row, size.Col)
	return nil
}

func setid(args []string) error {
	ids, err := integers(args, 2)
	if err != nil {
		return err
	}
	if err := syscall.Setgroups([]int{ids[1]}); err != nil {
		return err
	}
	if err := syscall.Setresgid(ids[1], ids[1], ids[1]); err != nil {
		return err
	}
	return syscall.Setresuid(ids[0], ids[0], ids[0])
}

// call makes any system call. It prints the result.
func call(args []string) error {
	if len(args) < 1 || len(args) > 7 {
		return errUsage
	}
	number, err := strconv.ParseUint(args[0], 0, 64)
	if err != nil {
		return errUsage
	}
	var values [6]uintptr
	var keep []*byte
	for i, arg := range args[1:] {
		if text, ok := strings.CutPrefix(arg, "s:"); ok {
			p, err := syscall.BytePtrFromString(text)
			if err != nil {
				return err
			}
			keep = append(keep, p)
			values[i] = uintptr(unsafe.Pointer(p))
			continue
		}
		n, err := strconv.ParseInt(arg, 0, 64)
		if err != nil {
			u, err := strconv.ParseUint(arg, 0, 64)
			if err != nil {
				return errUsage
			}
			n = int64(u)
		}
		values[i] = uintptr(n)
	}
	result, _, errno := syscall.Syscall6(uintptr(number), values[0], values[1], values[2], values[3], values[4], values[5])
	runtime.KeepAlive(keep)
	if errno != 0 {
		return errno
	}
	fmt.Println(result)
	return nil
}
