package supervise

import (
	"bytes"
	"encoding/binary"
	"slices"
	"unsafe"

	"golang.org/x/sys/unix"

	"github.com/least-privilege/lpm/enforcer/plan"
)

// socketOptions are the options of a TCP socket that a program may have set
// before it connects or listens, in two lists: those that many set, of any
// socket, and the others.
func socketOptions() (often, seldom []plan.SocketOption) {
	usual := plan.UsualOptions()
	add := func(level int, names ...int) {
		for _, n := range names {
			if o := (plan.SocketOption{Level: level, Name: n}); slices.Contains(usual, o) {
				often = append(often, o)
			} else {
				seldom = append(seldom, o)
			}
		}
	}
	add(unix.SOL_SOCKET,
		unix.SO_KEEPALIVE, unix.SO_OOBINLINE, unix.SO_REUSEADDR, unix.SO_REUSEPORT, unix.SO_LINGER, unix.SO_RCVLOWAT,
		unix.SO_RCVTIMEO, unix.SO_SNDTIMEO, unix.SO_PRIORITY, unix.SO_DONTROUTE, unix.SO_BUSY_POLL, unix.SO_TIMESTAMP,
		unix.SO_TIMESTAMPNS, unix.SO_TIMESTAMPING, unix.SO_ZEROCOPY, unix.SO_MAX_PACING_RATE, unix.SO_RCVMARK)
	add(unix.IPPROTO_TCP,
		unix.TCP_NODELAY, unix.TCP_MAXSEG, unix.TCP_CORK, unix.TCP_KEEPIDLE, unix.TCP_KEEPINTVL, unix.TCP_KEEPCNT, unix.TCP_SYNCNT,
		unix.TCP_LINGER2, unix.TCP_DEFER_ACCEPT, unix.TCP_WINDOW_CLAMP, unix.TCP_USER_TIMEOUT, unix.TCP_NOTSENT_LOWAT,
		unix.TCP_CONGESTION, unix.TCP_THIN_LINEAR_TIMEOUTS, unix.TCP_FASTOPEN, unix.TCP_FASTOPEN_CONNECT, unix.TCP_SAVE_SYN,
		unix.TCP_INQ, unix.TCP_TX_DELAY)
	add(unix.IPPROTO_IP,
		unix.IP_TOS, unix.IP_TTL, unix.IP_MTU_DISCOVER, unix.IP_RECVERR, unix.IP_FREEBIND,
		unix.IP_BIND_ADDRESS_NO_PORT, unix.IP_MINTTL)
	add(unix.IPPROTO_IPV6,
		unix.IPV6_V6ONLY, unix.IPV6_TCLASS, unix.IPV6_UNICAST_HOPS, unix.IPV6_MTU_DISCOVER, unix.IPV6_RECVERR,
		unix.IPV6_FREEBIND, unix.IPV6_ADDR_PREFERENCES)
	return often, seldom
}

// networkOptions are those that say something about the network that a socket is
// of: an interface by its number, which is another one's on the host; the ports
// to choose from, which are not the host's; or a mark and a foreign address, which
// the container's administrator may set and the host's alone.
//
// IP_FREEBIND is none of them: it is about binding, which a socket of the host's
// that was handed over never is.
func networkOptions() []plan.SocketOption {
	return []plan.SocketOption{
		{Level: unix.SOL_SOCKET, Name: unix.SO_MARK}, {Level: unix.SOL_SOCKET, Name: unix.SO_BINDTOIFINDEX},
		{Level: unix.IPPROTO_IP, Name: unix.IP_TRANSPARENT}, {Level: unix.IPPROTO_IPV6, Name: unix.IPV6_TRANSPARENT},
		{Level: unix.IPPROTO_IP, Name: unix.IP_LOCAL_PORT_RANGE},
	}
}

// notice notes what a container does that is to be looked for in its sockets
// from then on. It is called before the call takes effect.
func (p *private) notice(name string, c *Call) {
	if name != "setsockopt" {
		p.epoll.Store(true)
		return
	}
	o := plan.SocketOption{Level: int(int32(c.Args[1])), Name: int(int32(c.Args[2]))}
	_, seldom := socketOptions()
	filters := o.Level == unix.SOL_SOCKET && (o.Name == unix.SO_ATTACH_FILTER || o.Name == unix.SO_ATTACH_BPF)
	if filters || slices.Contains(seldom, o) || slices.Contains(networkOptions(), o) {
		p.unusual.Store(true)
	}
}

// getFilter is SO_GET_FILTER of asm-generic/socket.h.
const getFilter = 26

// changedOptions returns the options of a container's socket that are not those
// of a new one, and is false where it has something that no option tells of, or
// that means something else on the host.
// What cannot be set on another socket is found when that is tried.
func (e *Enforcer) changedOptions(family, fd int) (changed []option, ok bool) {
	usual, err := e.usualOptions(family)
	if err != nil {
		return nil, false
	}
	if changed, ok = buffers(fd); !ok {
		return nil, false
	}
	for _, o := range usual.often {
		changed = o.compare(fd, changed)
	}
	if !e.private.unusual.Load() {
		return changed, true
	}
	for _, o := range usual.seldom {
		changed = o.compare(fd, changed)
	}
	if value, err := getOption(fd, unix.SOL_SOCKET, getFilter, 0); err != nil || len(value) > 0 {
		return nil, false
	}
	for _, o := range networkOptions() {
		if value, err := unix.GetsockoptInt(fd, o.Level, o.Name); err == nil && value != 0 {
			return nil, false
		}
	}
	return changed, true
}

// compare appends the option as a socket has it, where that is another value.
func (o option) compare(fd int, changed []option) []option {
	value, err := getOption(fd, o.Level, o.Name, maxOption)
	if err == nil && !bytes.Equal(value, o.value) {
		return append(changed, option{o.SocketOption, value})
	}
	return changed
}

// buffers returns the sizes of a socket's buffers that its program has chosen.
func buffers(fd int) (sizes []option, ok bool) {
	// A size is what the program asked for only where it is locked.
	locked, err := unix.GetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_BUF_LOCK)
	if err != nil {
		return nil, false
	}
	for bit, name := range map[int]int{unix.SOCK_SNDBUF_LOCK: unix.SO_SNDBUF, unix.SOCK_RCVBUF_LOCK: unix.SO_RCVBUF} {
		if locked&bit == 0 {
			continue
		}
		size, err := unix.GetsockoptInt(fd, unix.SOL_SOCKET, name)
		if err != nil {
			return nil, false
		}
		half := uint32(size / 2) // the kernel doubles it (socket(7))
		o := plan.SocketOption{Level: unix.SOL_SOCKET, Name: name}
		sizes = append(sizes, option{o, binary.NativeEndian.AppendUint32(nil, half)})
	}
	return sizes, true
}

// usual are the options of a new socket of one family.
type usual struct{ often, seldom []option }

// usualOptions returns the options that a new socket has. What it has not, as
// those of IPv6 in a socket of IPv4, the container's has not either.
func (e *Enforcer) usualOptions(family int) (usual, error) {
	if known, ok := e.private.usual.Load(family); ok {
		return known.(usual), nil
	}
	fd, err := unix.Socket(family, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, unix.IPPROTO_TCP)
	if err != nil {
		return usual{}, err
	}
	defer unix.Close(fd)
	values := func(list []plan.SocketOption) (all []option) {
		for _, o := range list {
			if value, err := getOption(fd, o.Level, o.Name, maxOption); err == nil {
				all = append(all, option{o, value})
			}
		}
		return all
	}
	often, seldom := socketOptions()
	u := usual{values(often), values(seldom)}
	e.private.usual.Store(family, u)
	return u, nil
}

// maxOption is the size of the longest of the options, in bytes.
const maxOption = 32

// getOption returns an option's value, of at most that many bytes. With none it
// returns what a value of that length would be.
func getOption(fd, level, name, most int) ([]byte, error) {
	var buffer [maxOption]byte
	length := uint32(most)
	_, _, errno := unix.Syscall6(unix.SYS_GETSOCKOPT, uintptr(fd), uintptr(level), uintptr(name),
		uintptr(unsafe.Pointer(&buffer)), uintptr(unsafe.Pointer(&length)), 0)
	if errno != 0 {
		return nil, errno
	}
	return buffer[:min(length, maxOption)], nil
}
