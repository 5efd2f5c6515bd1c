package main

import (
	"encoding/binary"
	"net/netip"
	"unsafe"

	"golang.org/x/sys/unix"
)

// io_uring(7), by hand: struct io_uring_params of linux/io_uring.h.
type ringParams struct {
	entries, completions, flags, cpu, idle, features, wq uint32
	_                                                    [3]uint32
	sq, cq                                               [10]uint32
}

// ringConnect connects by a ring, which no filter of calls sees.
func ringConnect(o options, to netip.AddrPort) error {
	var p ringParams
	ring, _, errno := unix.Syscall(unix.SYS_IO_URING_SETUP, 2, uintptr(unsafe.Pointer(&p)), 0)
	if errno != 0 {
		return call("io_uring_setup", errno)
	}
	defer unix.Close(int(ring))
	const sqes, sqeSize, cqeSize = 0x10000000, 64, 16
	size := int(max(p.sq[6]+p.entries*4, p.cq[5]+p.completions*cqeSize))
	rings, err := unix.Mmap(int(ring), 0, size, unix.PROT_READ|unix.PROT_WRITE, unix.MAP_SHARED|unix.MAP_POPULATE)
	if err != nil {
		return call("mmap", err)
	}
	entries, err := unix.Mmap(int(ring), sqes, int(p.entries)*sqeSize, unix.PROT_READ|unix.PROT_WRITE, unix.MAP_SHARED|unix.MAP_POPULATE)
	if err != nil {
		return call("mmap", err)
	}
	fd, err := o.open(unix.SOCK_STREAM, to)
	if err != nil {
		return err
	}
	defer unix.Close(fd)
	name := newRawAddress(to)
	const opConnect, getEvents = 16, 1
	entries[0] = opConnect
	binary.NativeEndian.PutUint32(entries[4:], uint32(fd))
	binary.NativeEndian.PutUint64(entries[8:], uint64(unsafe.Sizeof(*name)))
	binary.NativeEndian.PutUint64(entries[16:], uint64(uintptr(unsafe.Pointer(name))))
	binary.NativeEndian.PutUint32(rings[p.sq[6]:], 0) // the array's first is entry 0
	binary.NativeEndian.PutUint32(rings[p.sq[1]:], 1) // the tail
	if _, _, errno = unix.Syscall6(unix.SYS_IO_URING_ENTER, ring, 1, 1, getEvents, 0, 0); errno != 0 {
		return call("io_uring_enter", errno)
	}
	if result := int32(binary.NativeEndian.Uint32(rings[p.cq[5]+8:])); result != 0 {
		return call("io_uring connect", unix.Errno(-result))
	}
	return arrives(fd)
}
