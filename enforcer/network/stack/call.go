package stack

import (
	"runtime"
	"unsafe"

	"golang.org/x/sys/unix"
)

// The calls below are of descriptors that never wait. The runtime is not told of
// them: it would give the processor to another thread whenever one takes more than a
// moment, as it does when the kernel handles a packet on the spot.

func read(fd int, p []byte) (int, error) {
	return transfer(unix.SYS_READ, fd, unsafe.Pointer(unsafe.SliceData(p)), len(p))
}

func write(fd int, p []byte) (int, error) {
	return transfer(unix.SYS_WRITE, fd, unsafe.Pointer(unsafe.SliceData(p)), len(p))
}

// readv and writev take at most 1,024 parts (IOV_MAX).

func readv(fd int, parts ...[]byte) (int, error) { return vectored(unix.SYS_READV, fd, parts) }

func writev(fd int, parts ...[]byte) (int, error) { return vectored(unix.SYS_WRITEV, fd, parts) }

func vectored(call uintptr, fd int, parts [][]byte) (int, error) {
	var room [8]unix.Iovec
	vector := room[:0]
	for _, p := range parts {
		v := unix.Iovec{Base: unsafe.SliceData(p)}
		v.SetLen(len(p))
		vector = append(vector, v)
	}
	n, err := transfer(call, fd, unsafe.Pointer(unsafe.SliceData(vector)), len(vector))
	runtime.KeepAlive(parts)
	return n, err
}

func transfer(call uintptr, fd int, of unsafe.Pointer, length int) (int, error) {
	for {
		n, _, errno := unix.RawSyscall(call, uintptr(fd), uintptr(of), uintptr(length))
		switch errno {
		case 0:
			return int(n), nil
		case unix.EINTR:
		default:
			return 0, errno
		}
	}
}

// available returns how many bytes can be read from a socket.
func available(fd int) (int, error) {
	var n int32
	_, _, errno := unix.RawSyscall(unix.SYS_IOCTL, uintptr(fd), unix.TIOCINQ, uintptr(unsafe.Pointer(&n)))
	if errno != 0 {
		return 0, errno
	}
	return int(n), nil
}
