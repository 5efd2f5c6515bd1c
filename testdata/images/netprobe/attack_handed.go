package main

import (
	"errors"
	"fmt"
	"io"
	"net/netip"
	"os"
	"os/exec"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"
)

// What can be tried with a socket of the host's that was handed over.
func handedAttacks() map[string]attack {
	return map[string]attack{
		"handed-connect":           onDissolved(func(o options, fd int, to netip.AddrPort) error { return reconnect(o, fd, to) }),
		"handed-fastopen":          onDissolved(sendFastOpen),
		"handed-fastopen-sendmsg":  onDissolved(sendmsgFastOpen),
		"handed-fastopen-sendmmsg": onDissolved(sendmmsgFastOpen),
		"handed-fastopen-connect":  onDissolved(connectFastOpen),
		"handed-listen":            onDissolved(listenAnywhere),
		"handed-take":              onDissolved(takePort),
		"handed-inside":            onDissolved(func(o options, fd int, to netip.AddrPort) error { return reconnect(o, fd, to) }),
		"handed-closed":            afterTheEnd,
		"handed-reset":             afterReset,
		"handed-connected":         whileConnected,
		"handed-route":             sourceRoute,
		"handed-ulp":               becomeSMC,
		"handed-interfaces":        showInterfaces,
		"handed-bind":              chooseInterface,
		"handed-passed":            passToChild,
		"handed-received":          fromParent,
		"published-closed":         afterListening,
	}
}

func onDissolved(run func(options, int, netip.AddrPort) error) attack {
	return func(o options, to netip.AddrPort) error {
		fd, err := o.dissolved()
		if err != nil {
			return err
		}
		defer unix.Close(fd)
		return run(o, fd, to)
	}
}

func reconnect(o options, fd int, to netip.AddrPort) error {
	if _, err := blocking(o, fd, o.sockaddr(to)); err != nil {
		return err
	}
	return arrives(fd)
}

func sendFastOpen(o options, fd int, to netip.AddrPort) error {
	return call("sendto", unix.Sendto(fd, []byte(o.send), unix.MSG_FASTOPEN, o.sockaddr(to)))
}

func sendmsgFastOpen(o options, fd int, to netip.AddrPort) error {
	return call("sendmsg", unix.Sendmsg(fd, []byte(o.send), nil, o.sockaddr(to), unix.MSG_FASTOPEN))
}

// sendmmsgFastOpen does it with a struct mmsghdr of one message.
func sendmmsgFastOpen(o options, fd int, to netip.AddrPort) error {
	name, data := newRawAddress(to), []byte(o.send)
	part := unix.Iovec{Base: &data[0]}
	part.SetLen(len(data))
	message := struct {
		unix.Msghdr
		length uint32
	}{Msghdr: unix.Msghdr{Name: (*byte)(unsafe.Pointer(name)), Namelen: uint32(unsafe.Sizeof(*name)), Iov: &part}}
	message.SetIovlen(1)
	_, _, errno := unix.Syscall6(unix.SYS_SENDMMSG, uintptr(fd), uintptr(unsafe.Pointer(&message)), 1, unix.MSG_FASTOPEN, 0, 0)
	if errno != 0 {
		return call("sendmmsg", errno)
	}
	return nil
}

func connectFastOpen(o options, fd int, to netip.AddrPort) error {
	if _, err := fastOpenLater(o, fd, o.sockaddr(to)); err != nil {
		return err
	}
	return arrives(fd)
}

func listenAnywhere(_ options, fd int, _ netip.AddrPort) error {
	return call("listen", unix.Listen(fd, 1))
}

// takePort binds a port that the container may have on its own network.
func takePort(o options, fd int, to netip.AddrPort) error {
	return call("bind", unix.Bind(fd, o.sockaddr(to)))
}

// afterTheEnd connects anew when both ends have ended.
func afterTheEnd(o options, to netip.AddrPort) error {
	fd, err := o.handed()
	if err != nil {
		return err
	}
	defer unix.Close(fd)
	if err := unix.Shutdown(fd, unix.SHUT_WR); err != nil {
		return call("shutdown", err)
	}
	if _, err := io.Copy(io.Discard, stream(fd)); err != nil {
		return err
	}
	return atOnceOrDissolved(o, fd, to)
}

// atOnceOrDissolved connects a socket that is at its end.
func atOnceOrDissolved(o options, fd int, to netip.AddrPort) error {
	return each(map[string]func() error{
		"at once": func() error { return reconnect(o, fd, to) },
		"dissolved": func() error {
			if err := dissolve(fd); err != nil {
				return err
			}
			return reconnect(o, fd, to)
		},
	})
}

// afterReset connects anew when the connection was reset: a socket that has no
// time to linger resets it.
func afterReset(o options, to netip.AddrPort) error {
	fd, err := o.handed()
	if err != nil {
		return err
	}
	defer unix.Close(fd)
	if err := arrives(fd); err != nil {
		return err
	}
	if err := unix.SetsockoptLinger(fd, unix.SOL_SOCKET, unix.SO_LINGER, &unix.Linger{Onoff: 1}); err != nil {
		return call("setsockopt", err)
	}
	if err := unix.Shutdown(fd, unix.SHUT_RDWR); err != nil {
		return call("shutdown", err)
	}
	return atOnceOrDissolved(o, fd, to)
}

// whileConnected names another address on a connected socket. TCP does not look
// at it.
func whileConnected(o options, to netip.AddrPort) error {
	fd, err := o.handed()
	if err != nil {
		return err
	}
	defer unix.Close(fd)
	if err := unix.Connect(fd, o.sockaddr(to)); err == nil {
		return nil
	}
	_ = unix.Sendto(fd, []byte(o.send), unix.MSG_NOSIGNAL, o.sockaddr(to))
	_ = unix.Sendmsg(fd, []byte(o.send), nil, o.sockaddr(to), unix.MSG_NOSIGNAL)
	peer, err := unix.Getpeername(fd)
	if err != nil {
		return err
	}
	if text(peer) == o.granted().String() {
		return errors.New("still connected to where it was")
	}
	return nil
}

// sourceRoute has packets go by way of the target (RFC 791, RFC 6554).
func sourceRoute(o options, to netip.AddrPort) error {
	fd, err := o.handed()
	if err != nil {
		return err
	}
	defer unix.Close(fd)
	a := to.Addr().Unmap().As16()
	return each(map[string]func() error{
		"loose": func() error {
			route := append([]byte{1, 131, 7, 4}, a[12:]...)
			return call("setsockopt", unix.SetsockoptString(fd, unix.IPPROTO_IP, unix.IP_OPTIONS, string(route)))
		},
		"strict": func() error {
			route := append([]byte{1, 137, 7, 4}, a[12:]...)
			return call("setsockopt", unix.SetsockoptString(fd, unix.IPPROTO_IP, unix.IP_OPTIONS, string(route)))
		},
		"routing header": func() error {
			route := append([]byte{0, 2, 0, 1, 0, 0, 0, 0}, a[:]...)
			return call("setsockopt", unix.SetsockoptString(fd, unix.IPPROTO_IPV6, unix.IPV6_RTHDR, string(route)))
		},
	})
}

// becomeSMC makes a TCP socket one of another protocol.
func becomeSMC(o options, _ netip.AddrPort) error {
	fd, err := o.dissolved()
	if err != nil {
		return err
	}
	defer unix.Close(fd)
	return each(map[string]func() error{
		"smc": func() error { return call("setsockopt", unix.SetsockoptString(fd, unix.SOL_TCP, unix.TCP_ULP, "smc")) },
		"tls": func() error { return call("setsockopt", unix.SetsockoptString(fd, unix.SOL_TCP, unix.TCP_ULP, "tls")) },
	})
}

// showInterfaces asks about the host's interfaces, and for its network.
func showInterfaces(o options, _ netip.AddrPort) error {
	fd, err := o.handed()
	if err != nil {
		return err
	}
	defer unix.Close(fd)
	attempts := map[string]func() error{}
	for name, request := range map[string]uintptr{
		"SIOCGIFNAME": unix.SIOCGIFNAME, "SIOCGIFCONF": unix.SIOCGIFCONF, "SIOCGIFADDR": unix.SIOCGIFADDR,
		"SIOCGIFINDEX": unix.SIOCGIFINDEX, "SIOCGIFHWADDR": unix.SIOCGIFHWADDR, "SIOCGARP": unix.SIOCGARP,
		"SIOCETHTOOL": unix.SIOCETHTOOL, "SIOCGSKNS": unix.SIOCGSKNS, "SIOCADDRT": unix.SIOCADDRT,
		"SIOCGIWNAME": 0x8b01, "SIOCDEVPRIVATE": unix.SIOCDEVPRIVATE,
	} {
		attempts[name] = func() error {
			var request2 [256]byte // more than a struct ifreq or ifconf
			request2[0] = 1        // an index, where one is asked about
			_, _, errno := unix.Syscall(unix.SYS_IOCTL, uintptr(fd), request, uintptr(unsafe.Pointer(&request2)))
			switch errno {
			case 0:
				return nil
			case unix.EPERM:
				return call("ioctl", errno)
			}
			// Asked, and not refused.
			return fmt.Errorf("ioctl was looked at: %w", errno)
		}
	}
	return each(attempts)
}

// chooseInterface binds a socket to one of the host's interfaces, whose name the
// kernel then tells.
func chooseInterface(o options, _ netip.AddrPort) error {
	fd, err := o.handed()
	if err != nil {
		return err
	}
	defer unix.Close(fd)
	return each(map[string]func() error{
		"by number": func() error {
			return call("setsockopt", unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_BINDTOIFINDEX, 1))
		},
		"by name": func() error { return call("setsockopt", unix.BindToDevice(fd, "lo")) },
	})
}

// passToChild hands a socket to another process, which tries the same again.
func passToChild(o options, to netip.AddrPort) error {
	fd, err := o.handed()
	if err != nil {
		return err
	}
	defer unix.Close(fd)
	pair, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return call("socketpair", err)
	}
	if err := unix.Sendmsg(pair[0], []byte{0}, unix.UnixRights(fd), nil, 0); err != nil {
		return call("sendmsg", err)
	}
	self, err := os.Executable()
	if err != nil {
		return err
	}
	child := exec.Command(self, "attack", "-also", o.also, "handed-received", to.String())
	child.ExtraFiles = []*os.File{os.NewFile(uintptr(pair[1]), "pair")}
	child.Stdout, child.Stderr = os.Stdout, os.Stderr
	return child.Run()
}

func fromParent(o options, to netip.AddrPort) error {
	const pair = 3
	fd, err := receivedOn(pair)
	if err != nil {
		return err
	}
	if err := arrives(fd); err != nil {
		return fmt.Errorf("it is not connected: %w", err)
	}
	if err := dissolve(fd); err != nil {
		return err
	}
	return each(map[string]func() error{
		"connect":  func() error { return reconnect(o, fd, to) },
		"fastopen": func() error { return sendFastOpen(o, fd, to) },
	})
}

// receivedOn takes the descriptor that comes with a message.
func receivedOn(socket int) (int, error) {
	control := make([]byte, unix.CmsgSpace(4))
	_, n, _, _, err := unix.Recvmsg(socket, make([]byte, 1), control, 0)
	if err != nil {
		return -1, call("recvmsg", err)
	}
	messages, err := unix.ParseSocketControlMessage(control[:n])
	if err != nil || len(messages) != 1 {
		return -1, errors.Join(errors.New("no descriptor came"), err)
	}
	fds, err := unix.ParseUnixRights(&messages[0])
	if err != nil || len(fds) != 1 {
		return -1, errors.Join(errors.New("no descriptor came"), err)
	}
	return fds[0], nil
}

// afterListening serves one connection at a port that is published, listens no
// longer, and tries until -wait is over to reach who has the port by then.
func afterListening(o options, to netip.AddrPort) error {
	end := time.Now().Add(o.wait)
	fd, err := o.bound(unix.SOCK_STREAM, netip.AddrPortFrom(netip.IPv4Unspecified(), to.Port()).String())
	if err != nil {
		return err
	}
	if err := plainly(o, fd, ""); err != nil {
		return err
	}
	for {
		err := fresh(o, to, reconnect)
		if err == nil || time.Now().After(end) {
			return err
		}
		time.Sleep(10 * time.Millisecond)
	}
}
