package networktest

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/netip"
	"os"

	"golang.org/x/sys/unix"
)

// The process that set the world up keeps its capabilities, and opens sockets
// for the test, which has none: at low ports, and one that sees what passes by.

// order is a socket that the test wants. Its network is tcp, udp or packet.
type order struct {
	Network string
	Address netip.AddrPort
}

// openAll does what is ordered until the test closes its end.
func openAll(fd int) {
	b := make([]byte, 1024)
	for {
		n, err := unix.Read(fd, b)
		if err != nil || n == 0 {
			return
		}
		var o order
		socket := -1
		if err = json.Unmarshal(b[:n], &o); err == nil {
			socket, err = o.open()
		}
		if err != nil {
			err = unix.Sendmsg(fd, []byte(err.Error()), nil, nil, 0)
		} else {
			err = unix.Sendmsg(fd, []byte("ok"), unix.UnixRights(socket), nil, 0)
			unix.Close(socket)
		}
		if err != nil {
			return
		}
	}
}

func (o order) open() (int, error) {
	if o.Network == "packet" {
		return openPacket()
	}
	kind, ok := map[string]int{"tcp": unix.SOCK_STREAM, "udp": unix.SOCK_DGRAM}[o.Network]
	if !ok {
		return -1, fmt.Errorf("no network %q", o.Network)
	}
	var at unix.Sockaddr = &unix.SockaddrInet6{Addr: o.Address.Addr().As16(), Port: int(o.Address.Port())}
	if o.Address.Addr().Is4() {
		at = &unix.SockaddrInet4{Addr: o.Address.Addr().As4(), Port: int(o.Address.Port())}
	}
	fd, err := unix.Socket(int(family(o.Address.Addr())), kind|unix.SOCK_CLOEXEC|unix.SOCK_NONBLOCK, 0)
	if err != nil {
		return -1, err
	}
	err = errors.Join(
		unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_REUSEADDR, 1),
		// The address is no device's. (This option is IPv6's too.)
		unix.SetsockoptInt(fd, unix.SOL_IP, unix.IP_FREEBIND, 1))
	if err == nil && o.Address.Addr().Is6() {
		err = unix.SetsockoptInt(fd, unix.SOL_IPV6, unix.IPV6_V6ONLY, 1)
	}
	if err == nil {
		err = unix.Bind(fd, at)
	}
	if err == nil && kind == unix.SOCK_STREAM {
		err = unix.Listen(fd, unix.SOMAXCONN)
	}
	if err != nil {
		unix.Close(fd)
		return -1, fmt.Errorf("listening at %s %s: %w", o.Network, o.Address, err)
	}
	return fd, nil
}

// opener is the test's end.
type opener struct{ fd int }

func (s opener) open(network string, address netip.AddrPort) (*os.File, error) {
	b, err := json.Marshal(order{network, address})
	if err != nil {
		return nil, err
	}
	if _, err := unix.Write(s.fd, b); err != nil {
		return nil, fmt.Errorf("ordering a socket: %w", err)
	}
	said, rights := make([]byte, 1024), make([]byte, unix.CmsgSpace(4))
	n, m, _, _, err := unix.Recvmsg(s.fd, said, rights, unix.MSG_CMSG_CLOEXEC)
	if err != nil {
		return nil, fmt.Errorf("waiting for a socket: %w", err)
	}
	if m == 0 {
		return nil, errors.New(string(said[:n]))
	}
	messages, err := unix.ParseSocketControlMessage(rights[:m])
	if err != nil {
		return nil, err
	}
	fds, err := unix.ParseUnixRights(&messages[0])
	if err != nil {
		return nil, err
	}
	return os.NewFile(uintptr(fds[0]), network+" "+address.String()), nil
}
