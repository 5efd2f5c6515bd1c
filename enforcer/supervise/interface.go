package supervise

import (
	"encoding/binary"
	"errors"
	"slices"
	"unsafe"

	"golang.org/x/sys/unix"

	"github.com/least-privilege/lpm/enforcer/plan"
	"github.com/least-privilege/lpm/manifest"
)

// asksInterfaces reports whether a call asks about network interfaces where
// sockets can be the machine's.
func (e *Enforcer) asksInterfaces(c *Call, info manifest.SyscallInfo) bool {
	return e.rules.Handover && info.Name == "ioctl" && slices.Contains(plan.InterfaceRequests(), c.Args[1]&0xffff_ffff)
}

// interfaces answers what a container asks about network interfaces by one of
// its sockets: if that is of its own network, with the kernel's answer. The
// supervisor asks by its own copy of the socket; the container's descriptor
// could be one of the machine's when the kernel looks at it.
func (e *Enforcer) interfaces(c *Call, info manifest.SyscallInfo) (Verdict, *refusal) {
	if !e.granted(c, info) {
		if v, r := e.syscall(c, info); r != nil {
			return v, r
		}
	}
	fd, err := c.TakeFD(int32(c.Args[0]))
	if err != nil {
		return Verdict{Errno: noCopy(err)}, nil
	}
	defer c.LetGo(fd)
	network, err := unix.GetsockoptUint64(fd, unix.SOL_SOCKET, unix.SO_NETNS_COOKIE)
	switch {
	case errors.Is(err, unix.ENOTSOCK):
		return Verdict{Errno: unix.ENOTTY}, nil
	case err != nil:
		return Verdict{Errno: errnoOf(err)}, nil
	case network != e.options.Cookie:
		request := manifest.SymbolName(e.arch, info.Name, 1, c.Args[1]&0xffff_ffff)
		return Verdict{}, &refusal{
			subject: subject{KindSyscall, info.Name + "(" + request + ")"}, errno: unix.EPERM, why: otherNetwork,
		}
	}
	ask := e.askInterface
	if uint32(c.Args[1]) == unix.SIOCGIFCONF {
		ask = e.listInterfaces
	}
	errno := ask(c, fd)
	return Verdict{Errno: errno, Done: errno == 0}, nil
}

// otherNetwork is why a socket that was handed over tells nothing.
const otherNetwork = "the socket is not of the container's own network"

// Sizes of the structures of netdevice(7), in bytes: struct ifreq, struct ifconf,
// and the name of an interface, which is also where the union of struct ifreq
// begins.
const (
	sizeofIfreq  = 40
	sizeofIfconf = 16
)

// askInterface makes a request with a struct ifreq.
func (e *Enforcer) askInterface(c *Call, fd int) unix.Errno {
	b, err := c.Bytes(c.Args[2], sizeofIfreq)
	if err != nil {
		return errnoOf(err)
	}
	if errno := askKernel(fd, uint32(c.Args[1]), unsafe.Pointer(unsafe.SliceData(b))); errno != 0 {
		return errno
	}
	return e.write(c, piece{c.Args[2], b})
}

// maxInterfaces bounds the addresses that a list of interfaces has.
const maxInterfaces = 4096

// ifconf is struct ifconf of linux/if.h.
type ifconf struct {
	length int32
	_      int32
	buffer unsafe.Pointer
}

// listInterfaces makes the request SIOCGIFCONF. Without a buffer it tells how
// long the list is, and otherwise gives as much of it as there is room for.
func (e *Enforcer) listInterfaces(c *Call, fd int) unix.Errno {
	b, err := c.Bytes(c.Args[2], sizeofIfconf)
	if err != nil {
		return errnoOf(err)
	}
	room, at := int32(binary.NativeEndian.Uint32(b)), binary.NativeEndian.Uint64(b[8:])
	var list []byte
	var request ifconf
	if at != 0 {
		list = make([]byte, max(min(int(room), maxInterfaces*sizeofIfreq), 1))
		request = ifconf{length: int32(min(int(room), len(list))), buffer: unsafe.Pointer(unsafe.SliceData(list))}
	}
	if errno := askKernel(fd, unix.SIOCGIFCONF, unsafe.Pointer(&request)); errno != 0 {
		return errno
	}
	length := binary.NativeEndian.AppendUint32(nil, uint32(request.length))
	if at == 0 {
		return e.write(c, piece{c.Args[2], length})
	}
	return e.write(c, piece{at, list[:request.length]}, piece{c.Args[2], length})
}

// askKernel makes a request. It does so without capabilities: of an interface
// that is not there, root's question has the kernel load a module of that name
// (dev_load).
func askKernel(fd int, request uint32, arg unsafe.Pointer) unix.Errno {
	return unprivileged(func() unix.Errno {
		_, _, errno := unix.Syscall(unix.SYS_IOCTL, uintptr(fd), uintptr(request), uintptr(arg))
		return errno
	})
}
