package main

import (
	"unsafe"

	"golang.org/x/sys/unix"
)

// dissolve ends what a socket is connected to, by connecting it to no family.
func dissolve(fd int) error {
	none := unix.RawSockaddr{Family: unix.AF_UNSPEC}
	_, _, errno := unix.Syscall(unix.SYS_CONNECT, uintptr(fd), uintptr(unsafe.Pointer(&none)), unsafe.Sizeof(none))
	if errno != 0 {
		return call("connect", errno)
	}
	return nil
}
