package main

import (
	"encoding/binary"
	"errors"
	"fmt"
	"net/netip"
	"os"
	"strings"

	"golang.org/x/sys/unix"
)

// What a socket of the host's could tell of the host's network.
func lookAttacks() map[string]attack {
	return map[string]attack{
		"handed-diag": onHanded(diagnose),
		"handed-proc": onHanded(readTables),
	}
}

// diagnose asks for all TCP sockets (sock_diag(7)), and looks for its own
// connection among them: where that is, those of the host's network are.
func diagnose(o options, _ int, _ netip.AddrPort) error {
	fd, err := unix.Socket(unix.AF_NETLINK, unix.SOCK_RAW|unix.SOCK_CLOEXEC, unix.NETLINK_SOCK_DIAG)
	if err != nil {
		return call("socket", err)
	}
	defer unix.Close(fd)
	const sockDiagByFamily, sizeofRequest = 20, 16 + 56
	b := binary.NativeEndian.AppendUint32(nil, sizeofRequest)
	b = binary.NativeEndian.AppendUint16(b, sockDiagByFamily)
	b = binary.NativeEndian.AppendUint16(b, unix.NLM_F_REQUEST|unix.NLM_F_DUMP)
	b = append(b, make([]byte, 8)...)
	b = append(b, unix.AF_INET, unix.IPPROTO_TCP, 0, 0, 0xff, 0xff, 0xff, 0xff) // in all states
	b = append(b, make([]byte, sizeofRequest-len(b))...)
	if err := unix.Sendto(fd, b, 0, &unix.SockaddrNetlink{Family: unix.AF_NETLINK}); err != nil {
		return call("sendto", err)
	}
	// Of struct inet_diag_sockid, in struct inet_diag_msg, behind struct nlmsghdr.
	const peerAt = 16 + 4 + 4 + 16
	peer := o.granted().Addr().AsSlice()
	for range 100 {
		answer := make([]byte, 64<<10)
		n, _, err := receive(fd, answer)
		if err != nil {
			return err
		}
		for answer = answer[:n]; len(answer) >= 16; {
			length := int(binary.NativeEndian.Uint32(answer))
			if length < 16 || length > len(answer) || binary.NativeEndian.Uint16(answer[4:]) != sockDiagByFamily {
				return errors.New("it is not there")
			}
			if length >= peerAt+4 && string(answer[peerAt:peerAt+4]) == string(peer) {
				return nil
			}
			answer = answer[min((length+3)&^3, len(answer)):]
		}
	}
	return errors.New("there is no end")
}

// readTables looks for its own connection in the kernel's tables.
func readTables(o options, _ int, _ netip.AddrPort) error {
	b := o.granted().Addr().As4()
	peer := fmt.Sprintf("%08X:%04X", binary.NativeEndian.Uint32(b[:]), o.granted().Port())
	attempts := map[string]func() error{}
	for _, file := range []string{"/proc/net/tcp", "/proc/self/net/tcp", "/proc/thread-self/net/tcp", "/proc/1/net/tcp"} {
		attempts[file] = func() error {
			table, err := os.ReadFile(file)
			if err == nil && !strings.Contains(string(table), peer) {
				err = errors.New("it is not there")
			}
			return err
		}
	}
	return each(attempts)
}
