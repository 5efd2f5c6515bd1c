package enforcer_test

import (
	"net"
	"os"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/least-privilege/lpm/enforcer/container"
	"github.com/least-privilege/lpm/enforcer/plan"
	"github.com/least-privilege/lpm/manifest"
)

// TestAttacks lets a container that may run Python, and nearly every ordinary
// system call, try to get at what its manifest does not grant. Where the
// manifest can grant it, the same attempt is shown to succeed then: an attempt
// that could never work would prove nothing.
func TestAttacks(t *testing.T) {
	if runtime.GOARCH != "amd64" {
		t.Skip("the attempts are written for amd64")
	}
	l := newLab(t, "python3")
	granted, other := listener(t), listener(t)
	name := "lpm-test-" + strconv.Itoa(os.Getpid())
	abstract, err := net.Listen("unix", "@"+name)
	if err != nil {
		t.Fatal(err)
	}
	defer abstract.Close()
	attempts, err := filepath.Abs("testdata")
	if err != nil {
		t.Fatal(err)
	}
	// The sources may be where the container's user cannot go.
	script, err := os.ReadFile(filepath.Join(attempts, "attack.py"))
	if err != nil {
		t.Fatal(err)
	}
	folder := t.TempDir()
	if err := os.WriteFile(filepath.Join(folder, "attack.py"), script, 0o644); err != nil {
		t.Fatal(err)
	}

	// A launcher has folders open, that of a cgroup for one.
	open, err := os.Open(folder)
	if err != nil {
		t.Fatal(err)
	}
	defer open.Close()

	// What another container left in a folder that it may write to.
	shared, secret := t.TempDir(), t.TempDir()
	if err := os.WriteFile(filepath.Join(secret, "secret"), []byte("of the host\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink(secret, filepath.Join(shared, "sub")); err != nil {
		t.Fatal(err)
	}
	planted := func(m *manifest.Manifest) {
		m.Mounts = append(m.Mounts, manifest.Mount{Path: "/shared", Host: filepath.Join(shared, "sub")})
	}

	ports := []string{strconv.Itoa(int(granted)), strconv.Itoa(int(other))}
	host := hostNetwork(granted, 0)
	tests := []struct {
		name  string
		args  []string
		base  func(m *manifest.Manifest)
		grant func(m *manifest.Manifest)
		// dirs are working folders to try; empty is the image's own alone.
		dirs []string
		// refused says that the container does not start at all.
		refused bool
		// abi is the version of Landlock that holds the container back. An
		// older one leaves the attempt open, and the plan has to say so.
		abi int
	}{
		{name: "loader", grant: program("/usr/bin/dash")},
		{name: "read_program", grant: program("/usr/bin/dash")},
		{name: "written_program"},
		{name: "loader_written"},
		{name: "shared_memory_program"},
		{name: "memfd_program"},
		{name: "memfd_unsealed", grant: program(manifest.AnyProgram)},
		{name: "race_program", base: program("/usr/bin/env")},
		{name: "race_connect", abi: 4, args: ports, base: host, grant: func(m *manifest.Manifest) {
			m.Network.Egress[0].Ports = append(m.Network.Egress[0].Ports, manifest.Port(other))
		}},
		{name: "fast_open", args: ports[:1], base: host},
		{name: "listen_unbound", base: host},
		{name: "listen_chosen", base: host},
		{name: "abstract_socket", abi: 6, args: []string{name}, base: host},
		{name: "masked"},
		{name: "sysctl"},
		{name: "other_processes"},
		{name: "descriptors"},
		{name: "host_root", args: []string{folder}},
		// CVE-2024-21626: a working folder that is an open descriptor.
		{name: "working_folder", args: []string{folder}, dirs: descriptorDirs()},
		// CVE-2017-1002101: a link in the path of a host's folder.
		{name: "planted_link", base: planted, refused: true, grant: func(m *manifest.Manifest) {
			m.Mounts[len(m.Mounts)-1].Host = secret
		}},
		{name: "reopen_output"},
		{name: "reopen_input"},
		{name: "hard_link"},
		{name: "many_files"},
		{name: "vsock", grant: whereVsock(func(m *manifest.Manifest) {
			m.Syscalls.Allow = append(m.Syscalls.Allow, manifest.Syscall{Name: "socket", When: []manifest.Condition{{Arg: 0, OneOf: []string{"40"}}}})
		})},
		{name: "fork_bomb", base: func(m *manifest.Manifest) { m.Resources.PIDs = 20 }, grant: func(m *manifest.Manifest) { m.Resources.PIDs = 1000 }},
		{name: "fill", grant: func(m *manifest.Manifest) { m.Filesystem.Writable[0].Size = 128 << 20 }},
	}
	for _, a := range tests {
		t.Run(a.name, func(t *testing.T) {
			l := *l
			l.t = t
			// Root is bound by no RLIMIT_NPROC, and is told so.
			l.options.BestEffort = true
			l.stdin = "of the host\n"
			if a.abi > l.landlock() {
				l.unenforced(python(folder, a.base))
				return
			}
			args := append([]string{"/attack/attack.py", a.name}, a.args...)
			for _, dir := range a.dirs {
				l.options.WorkingDir = dir
				// A start that fails is a refusal.
				if o, err := l.try(t.Context(), plan.Enforce, python(folder, a.base), container.Observer{}, args...); err == nil && succeeded(o) {
					t.Errorf("the attempt succeeded from %s: %s%s", dir, o.out, o.err)
				}
			}
			l.options.WorkingDir = ""
			var o outcome
			if a.refused {
				var err error
				if o, err = l.try(t.Context(), plan.Enforce, python(folder, a.base), container.Observer{}, args...); err == nil {
					t.Error("the container has started")
				}
			} else {
				o = l.run(python(folder, a.base), args...)
			}
			if succeeded(o) && !(a.name == "fork_bomb" && os.Getuid() == 0) {
				t.Errorf("the attempt succeeded: %s%s", o.out, o.err)
			}
			if a.grant == nil {
				return
			}
			o = l.run(python(folder, a.base, a.grant), args...)
			if !succeeded(o) {
				t.Errorf("granted, the attempt failed: %s%s%+v", o.out, o.err, o.Denials)
			}
		})
	}
}

// whereVsock is the grant where the machine has such sockets.
func whereVsock(grant func(m *manifest.Manifest)) func(m *manifest.Manifest) {
	fd, err := unix.Socket(unix.AF_VSOCK, unix.SOCK_STREAM, 0)
	if err != nil {
		return nil
	}
	unix.Close(fd)
	return grant
}

// descriptorDirs are working folders that an image may name to start in
// whatever the launcher has open.
func descriptorDirs() []string {
	dirs := []string{"/proc/self/cwd", "/proc/1/cwd", "/proc/1/root"}
	for n := range 24 {
		dirs = append(dirs, "/proc/self/fd/"+strconv.Itoa(n))
	}
	return dirs
}

// succeeded reports whether an attempt got through. The program "id", which
// one of them tries to reach, prints "uid=".
func succeeded(o outcome) bool {
	return strings.Contains(o.out, "SUCCEEDED") || strings.Contains(o.out, "uid=")
}

// python grants what a Python program that starts others needs.
func python(attempts string, changes ...func(m *manifest.Manifest)) *manifest.Manifest {
	m := static(func(m *manifest.Manifest) {
		sockets(m)
		spawns(m)
		m.Execute = []manifest.Program{{Path: "/usr/bin/python3"}}
		m.Filesystem.Writable = []manifest.WritablePath{{Path: "/tmp", Size: 32 << 20}}
		m.Mounts = []manifest.Mount{{Path: "/attack", Host: attempts}}
	})
	grant(m, "access", "chdir", "chmod", "dup", "dup2", "fchmod", "fork", "ftruncate", "getsockname", "link", "linkat",
		"lstat", "memfd_create", "mkdir", "mremap", "open", "pipe", "poll", "ppoll", "pselect6", "pwrite64", "readlink",
		"rename", "select", "set_tid_address", "stat", "sysinfo", "umask", "unlink", "vfork", "close_range", "getrusage",
		"execveat", "clock_getres", "getpgrp", "writev", "exit", "execve", "fsync", "gettimeofday")
	for _, change := range changes {
		if change != nil {
			change(m)
		}
	}
	return m
}
