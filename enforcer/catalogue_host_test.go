package enforcer_test

import (
	"encoding/binary"
	"os"
	"strconv"
	"testing"
	"unsafe"

	"golang.org/x/sys/unix"
)

// What attacks look for on the host.

const secret = "secret of the host"

// userKey makes a key of the caller's that every process of the caller may
// read, and returns its number.
func userKey(t *testing.T) string {
	t.Helper()
	const readable = 0x3f3f0000 // for its possessor and its user (keyctl_setperm(3))
	key := addKey(t, "lpm-test-user", unix.KEY_SPEC_USER_KEYRING)
	if err := unix.KeyctlSetperm(key, readable); err != nil {
		t.Fatal(err)
	}
	return strconv.Itoa(key)
}

// sessionKey makes a key in the session of the tests, and returns its name.
func sessionKey(t *testing.T) string {
	t.Helper()
	const name = "lpm-test-session"
	addKey(t, name, unix.KEY_SPEC_SESSION_KEYRING)
	return name
}

func addKey(t *testing.T, name string, keyring int) int {
	t.Helper()
	key, err := unix.AddKey("user", name, []byte(secret), keyring)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { unix.KeyctlInt(unix.KEYCTL_UNLINK, key, keyring, 0, 0) })
	return key
}

// sharedMemory makes a segment that everybody may read, and returns its
// number.
func sharedMemory(t *testing.T) string {
	t.Helper()
	id, err := unix.SysvShmGet(unix.IPC_PRIVATE, 4096, unix.IPC_CREAT|0o666)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { unix.SysvShmCtl(id, unix.IPC_RMID, nil) })
	memory, err := unix.SysvShmAttach(id, 0, 0)
	if err != nil {
		t.Fatal(err)
	}
	copy(memory, secret)
	if err := unix.SysvShmDetach(memory); err != nil {
		t.Fatal(err)
	}
	return strconv.Itoa(id)
}

// messageQueue makes a queue that everybody may read, and returns its name.
func messageQueue(t *testing.T) string {
	t.Helper()
	name := "lpm-test-" + strconv.Itoa(os.Getpid())
	text, err := unix.BytePtrFromString(name)
	if err != nil {
		t.Fatal(err)
	}
	at := uintptr(unsafe.Pointer(text))
	fd, _, errno := unix.Syscall6(unix.SYS_MQ_OPEN, at, unix.O_CREAT|unix.O_RDWR, 0o666, 0, 0, 0)
	if errno != 0 {
		t.Fatal(errno)
	}
	unix.Close(int(fd))
	t.Cleanup(func() { unix.Syscall(unix.SYS_MQ_UNLINK, uintptr(unsafe.Pointer(text)), 0, 0) })
	return name
}

// namespaceHandle returns the parts of the handle of the host's network
// namespace: struct nsfs_file_handle of linux/nsfs.h.
func namespaceHandle(t *testing.T) []string {
	handle, _, err := unix.NameToHandleAt(unix.AT_FDCWD, "/proc/self/ns/net", unix.AT_SYMLINK_FOLLOW)
	if err != nil || handle.Size() < 16 {
		t.Logf("no handle of a namespace: %v", err)
		return []string{"0", "0", "0"}
	}
	b := handle.Bytes()
	return []string{
		strconv.FormatUint(binary.NativeEndian.Uint64(b), 10),
		strconv.FormatUint(uint64(binary.NativeEndian.Uint32(b[8:])), 10),
		strconv.FormatUint(uint64(binary.NativeEndian.Uint32(b[12:])), 10),
	}
}

func noNamespaceHandles(*lab) string {
	if _, _, err := unix.NameToHandleAt(unix.AT_FDCWD, "/proc/self/ns/net", unix.AT_SYMLINK_FOLLOW); err != nil {
		return "namespaces have no handles: " + err.Error()
	}
	return ""
}

// mountNamespace returns the number of the host's mount namespace, and 0 where
// it has none.
func mountNamespace(t *testing.T) string {
	t.Helper()
	const getID = 0x8008b705 // NS_GET_MNTNS_ID of linux/nsfs.h
	f, err := os.Open("/proc/self/ns/mnt")
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	var id uint64
	if _, _, errno := unix.Syscall(unix.SYS_IOCTL, f.Fd(), getID, uintptr(unsafe.Pointer(&id))); errno != 0 {
		t.Logf("no number of a mount namespace: %v", errno)
	}
	return strconv.FormatUint(id, 10)
}

// processHandle returns the number that stands in the handle of the test's
// own process.
func processHandle(t *testing.T) []string {
	t.Helper()
	fd, err := unix.PidfdOpen(os.Getpid(), 0)
	if err != nil {
		t.Fatal(err)
	}
	defer unix.Close(fd)
	var st unix.Stat_t
	if err := unix.Fstat(fd, &st); err != nil {
		t.Fatal(err)
	}
	return []string{strconv.FormatUint(st.Ino, 10)}
}

// sameHostname sees to it that the host's name stays.
func sameHostname(t *testing.T, _ *lab) ([]string, func(outcome) bool) {
	before, err := os.Hostname()
	if err != nil {
		t.Fatal(err)
	}
	return nil, func(outcome) bool {
		if after, err := os.Hostname(); err != nil || after != before {
			t.Errorf("the host was called %q, and is called %q, %v", before, after, err)
		}
		return false
	}
}

func readFile(t *testing.T, path string) string {
	t.Helper()
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}
