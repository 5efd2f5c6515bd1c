package enforcer_test

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/least-privilege/lpm/manifest"
)

// fileAttacks try to get at files, folders and devices.
func fileAttacks() []attack {
	return slices.Concat(procAttacks(), imageFileAttacks(), hostFileAttacks())
}

// procAttacks go through the kernel's own file systems and through devices.
func procAttacks() []attack {
	return []attack{
		{
			name: "masked_paths", source: "moby, oci/defaults.go; CVE-2017-5967, CVE-2017-16539, CVE-2018-10892", tries: "reads the files of /proc that tell of the host",
			plain: "SUCCEEDED",
		},
		{
			name: "masked_roundabout", source: "proc_pid_root(5); runc CVE-2025-31133", tries: "reads a masked file by another name",
			base: calls("openat2"), plain: "SUCCEEDED",
		},
		{
			name: "masked_unmount", source: "mount_namespaces(7)", tries: "takes the mask off a file of /proc",
			base: calls("umount2"), bare: "refused: umount2: EINVAL", // nothing is mounted there without lpm
		},
		{
			name: "masked_new_proc", source: `mount_namespaces(7); CDK's "mount-procfs"`, tries: "mounts a /proc without masks",
			base: calls("mount"), bare: "SUCCEEDED",
		},
		{
			name: "proc_writable", source: `proc(5); CDK's "mount-procfs"`, tries: "opens a switch of the kernel in /proc for writing",
			plain: "SUCCEEDED", unless: notRoot,
		},
		{
			name: "core_pattern", source: `core(5); CDK's "mount-procfs"`, tries: "names the program that the kernel starts as root for a crash",
			base: calls("umount2"), unless: notRoot, plain: "SUCCEEDED",
		},
		{
			name: "sysrq", source: "Linux, admin-guide/sysrq.rst", tries: "opens the file that reboots the host",
			plain: "SUCCEEDED", unless: cannotOpen("/proc/sysrq-trigger"),
		},
		{
			name: "sys_files", source: "moby's masked /sys/firmware; CVE-2020-8694", tries: "looks for anything in /sys",
			plain: "SUCCEEDED",
		},
		{
			name: "cgroup_mount", source: `CVE-2022-0492; CDK's "mount-cgroup"`, tries: "mounts the control groups",
			base: calls("mount"), bare: "SUCCEEDED",
		},
		{
			name: "other_root", source: "proc_pid_root(5), proc_pid_cwd(5)", tries: "goes through the root of a process of the host",
			plain: "SUCCEEDED",
		},
		{
			name: "self_exe", source: `CVE-2019-5736; CDK's "runc-pwn"`, tries: "finds the launcher's program, to overwrite it",
			plain: "SUCCEEDED",
		},
		{
			name: "leaked_descriptor", source: "CVE-2024-21626, CVE-2016-9962", tries: "finds a descriptor that the launcher left open",
			setup: leakDescriptor, plain: "SUCCEEDED",
		},
		{
			name: "make_device", source: `mknod(2); CDK's "rewrite-cgroup-devices"`, tries: "makes a device node and reads it",
			args: []string{"/tmp", "/dev/shm"}, plain: "SUCCEEDED", unless: notRoot,
			base: both(calls("mknod", "mknodat"), capability("CAP_MKNOD")),
		},
		{
			name: "open_device", source: `mem(4); CDK's "mount-disk"`, tries: "opens devices of the host",
			grant: device("/dev/fuse"), unless: cannotOpen("/dev/fuse"),
		},
		{
			name: "device_mode", source: "mount_namespaces(7)", tries: "changes the mode of a device that is the host's too",
			plain: "SUCCEEDED", unless: notRoot,
		},
	}
}

// imageFileAttacks try to change the image, and to execute what they wrote.
func imageFileAttacks() []attack {
	var folder sharedFolder
	everyPlace := both(writable("/srv"), volume("/data"), folder.writable)
	return []attack{
		{
			name: "written_program", source: "mount(8), noexec; landlock(7)", tries: "executes a copy of itself that it has written",
			base: everyPlace, setup: folder.everyPlace, plain: "SUCCEEDED",
		},
		{
			name: "written_code", source: "mmap(2), PROT_EXEC", tries: "maps a file that it has written as code",
			base: everyPlace, setup: folder.everyPlace, plain: "SUCCEEDED",
		},
		{
			name: "root_write", source: "open(2), O_TMPFILE; ioctl_iflags(2)", tries: "changes the image's files and folders",
			base: calls("setxattr", "utimensat"), plain: "SUCCEEDED",
		},
		{
			name: "page_cache", source: "CVE-2016-5195, CVE-2022-0847", tries: "changes a read-only file by its pages in memory",
		},
		{
			name: "overlay_attribute", source: "CVE-2021-3493, CVE-2023-0386; Linux, overlayfs.rst", tries: "has an overlay show something else by its attributes",
			base: both(writable("/srv"), calls("setxattr", "getxattr")), grant: program("/srv/hidden"),
		},
		{
			name: "uncovered", source: "Linux, overlayfs.rst, whiteouts", tries: "brings a hidden program back",
			base: writable("/srv"), grant: program("/srv/hidden"),
		},
		{
			name: "left_behind", source: "OCI image layers, which containers share", tries: "finds what a container before it has written",
			args: append([]string{"look"}, places()...), setup: leaveBehind, base: writable("/srv"), grant: volume("/data"),
		},
	}
}

// hostFileAttacks have a folder of the host, and try to get more than that.
func hostFileAttacks() []attack {
	var folder, other sharedFolder
	return []attack{
		{
			name: "readonly_mount", source: "mount(2), MS_RDONLY; ioctl_iflags(2)", tries: "changes a folder that it may only read",
			base:  both(folder.readOnly, calls("chown", "fchownat", "setxattr", "truncate", "mkfifo", "mknod", "mknodat")),
			grant: folder.write, setup: folder.make,
		},
		{
			name: "readonly_remount", source: "mount_setattr(2), mount_namespaces(7)", tries: "makes a read-only folder of the host writable",
			base: both(folder.readOnly, calls("mount_setattr")), grant: mounting, setup: folder.make, unless: folder.apart,
		},
		{
			name: "readonly_proc", source: "mount_setattr(2), proc_sys(5)", tries: "makes the kernel's settings writable",
			base: calls("mount_setattr"), grant: mounting, never: "Landlock refuses it",
		},
		{
			name: "hard_link_out", source: "link(2), EXDEV", tries: "links a file that it may only read to where it may write",
			base: both(folder.readOnly, other.writable), setup: makeFolders(&folder, &other), plain: "SUCCEEDED",
		},
		{
			name: "mount_parent", source: "path_resolution(7), proc_pid_fd(5)", tries: "climbs out of a folder of the host",
			base: both(folder.writable, calls("openat2")), setup: folder.make, plain: "SUCCEEDED",
		},
		{
			name: "renamed_folder", source: "CVE-2015-2925", tries: "climbs out of a folder that the host moves",
			base: folder.writable, setup: folder.move, plain: "SUCCEEDED",
		},
		{
			name: "whole_filesystem", source: "fanotify_mark(2)", tries: "watches the file system of a mounted folder",
			base: both(folder.readOnly, calls("fanotify_init", "fanotify_mark"), capability("CAP_SYS_ADMIN")), setup: folder.make,
			plain: "SUCCEEDED", unless: notRoot,
		},
		{
			name: "written_setuid", source: "systemd.exec(5), RestrictSUIDSGID=", tries: "leaves the host a set-user-id program of the caller's",
			base: both(folder.writable, calls("fchmodat2", "mknod", "mknodat", "openat2")), setup: folder.make, plain: "SUCCEEDED",
		},
		{
			name: "foreign_file", source: "user_namespaces(7); capabilities(7)", tries: "reads a file of another user as the container's root",
			base: both(folder.readOnly, asRoot), setup: folder.makeForeign, plain: "SUCCEEDED", unless: notRoot,
		},
	}
}

// sharedFolder is a folder of the host. Each run makes its own, and gives the
// attempt its path, which is the same inside and outside.
type sharedFolder struct{ path string }

// make makes the folder, with a file in it and a secret beside it.
func (f *sharedFolder) make(t *testing.T, _ *lab) (args []string, after func(o outcome) bool) {
	t.Helper()
	above := t.TempDir()
	f.path = filepath.Join(above, "shared")
	for _, folder := range []string{f.path, filepath.Join(f.path, "inside"), filepath.Join(f.path, "inside", "deep")} {
		if err := os.Mkdir(folder, 0o755); err != nil {
			t.Fatal(err)
		}
	}
	for _, name := range []string{filepath.Join(f.path, "file"), filepath.Join(above, "secret")} {
		if err := os.WriteFile(name, []byte("of the host\n"), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	return []string{f.path}, nil
}

func makeFolders(folders ...*sharedFolder) func(*testing.T, *lab) ([]string, func(outcome) bool) {
	return func(t *testing.T, l *lab) (args []string, after func(outcome) bool) {
		for _, f := range folders {
			more, _ := f.make(t, l)
			args = append(args, more...)
		}
		return args, nil
	}
}

// move makes the folder, and moves what is inside to where the secret is as
// soon as the container is in it.
func (f *sharedFolder) move(t *testing.T, l *lab) (args []string, after func(o outcome) bool) {
	args, _ = f.make(t, l)
	path, done := f.path, make(chan struct{})
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
	go func() {
		defer close(done)
		defer cancel()
		for ctx.Err() == nil {
			time.Sleep(time.Millisecond)
			if _, err := os.Lstat(filepath.Join(path, "inside", "deep", "ready")); err == nil {
				break
			}
		}
		if err := os.Rename(filepath.Join(path, "inside"), filepath.Join(filepath.Dir(path), "moved")); err != nil {
			t.Error(err)
		}
		if err := os.WriteFile(filepath.Join(path, "moved"), nil, 0o644); err != nil {
			t.Error(err)
		}
	}()
	t.Cleanup(func() { <-done })
	return args, nil
}

// makeForeign makes the folder with a file that is not the container's: of an
// id that no container has.
func (f *sharedFolder) makeForeign(t *testing.T, l *lab) (args []string, after func(o outcome) bool) {
	f.make(t, l)
	if os.Getuid() != 0 {
		f.path = "/etc"
		return []string{"/etc/shadow"}, nil
	}
	const foreign = 1 << 30
	file := filepath.Join(f.path, "file")
	if err := errors.Join(os.Chown(file, foreign, foreign), os.Chmod(file, 0o600)); err != nil {
		t.Fatal(err)
	}
	return []string{file}, nil
}

func (f *sharedFolder) readOnly(m *manifest.Manifest) { f.mount(m, false) }
func (f *sharedFolder) writable(m *manifest.Manifest) { f.mount(m, true) }

func (f *sharedFolder) mount(m *manifest.Manifest, write bool) {
	m.Mounts = append(m.Mounts, manifest.Mount{Path: f.path, Host: f.path, Write: write})
}

// write makes the mount of the folder, which is there already, writable.
func (f *sharedFolder) write(m *manifest.Manifest) { m.Mounts[len(m.Mounts)-1].Write = true }

// leaveBehind has containers before the attempt leave a file in every place:
// one that has the volume, and one that has not.
func leaveBehind(t *testing.T, l *lab) (args []string, after func(o outcome) bool) {
	a := attack{name: "left_behind"}
	for _, data := range []func(m *manifest.Manifest){writable("/data"), volume("/data")} {
		l.run(a.manifest(writable("/srv"), data), append([]string{a.program(), "leave"}, places()...)...)
	}
	return nil, nil
}

// apart is the reason why a read-only mount stays one against all that a
// manifest can grant: it is below nothing that can be written to.
func (f *sharedFolder) apart(*lab) string {
	if !strings.HasPrefix(f.path, "/tmp/") {
		return "Landlock refuses to write there"
	}
	return ""
}

// places are those that a container can write to in the tests that ask for
// all: what every one has or is granted, a folder with content of the image,
// and a volume.
func places() []string { return []string{"/tmp", "/dev/shm", "/srv", "/data"} }

// everyPlace makes the folder and names all places that can be written to.
// The folder comes first, since the others are the container's alone.
func (f *sharedFolder) everyPlace(t *testing.T, l *lab) (args []string, after func(o outcome) bool) {
	args, _ = f.make(t, l)
	return append(args, places()...), nil
}

// leakDescriptor has a folder of the host open that is not closed by the
// execution of a program.
func leakDescriptor(t *testing.T, _ *lab) (args []string, after func(o outcome) bool) {
	fd, err := unix.Open(t.TempDir(), unix.O_RDONLY|unix.O_DIRECTORY, 0)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { unix.Close(fd) })
	return nil, nil
}

// mounting grants changes of the container's own mounts, which Landlock refuses
// where it has any rule about files.
func mounting(m *manifest.Manifest) {
	capability("CAP_SYS_ADMIN")(m)
	program(manifest.AnyProgram)(m)
}

func device(path string) func(m *manifest.Manifest) {
	return func(m *manifest.Manifest) { m.Devices = append(m.Devices, manifest.Device{Path: path}) }
}

func volume(path string) func(m *manifest.Manifest) {
	return func(m *manifest.Manifest) {
		m.Mounts = append(m.Mounts, manifest.Mount{Path: path, Volume: path[1:], Write: true})
	}
}

func writable(path string) func(m *manifest.Manifest) {
	return func(m *manifest.Manifest) {
		m.Filesystem.Writable = append(m.Filesystem.Writable, manifest.WritablePath{Path: path, Size: 4 << 20})
	}
}

// asRoot grants a range of ids, in which the container's user is root, with
// the capabilities that pass by the modes of files.
func asRoot(m *manifest.Manifest) {
	m.Identity.Mode = manifest.IdentityRange
	capability("CAP_DAC_OVERRIDE")(m)
	capability("CAP_DAC_READ_SEARCH")(m)
}

// notRoot is a reason where the caller is an ordinary user.
func notRoot(*lab) string {
	if os.Getuid() != 0 {
		return "the caller is not root"
	}
	return ""
}

// cannotOpen is a reason where the caller cannot open a file for writing.
func cannotOpen(path string) func(*lab) string {
	return func(*lab) string {
		fd, err := unix.Open(path, unix.O_WRONLY|unix.O_NONBLOCK|unix.O_CLOEXEC, 0)
		if err != nil {
			return path + ": " + err.Error()
		}
		unix.Close(fd)
		return ""
	}
}
