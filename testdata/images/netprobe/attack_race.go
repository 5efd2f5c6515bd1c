package main

import (
	"encoding/binary"
	"errors"
	"net/netip"
	"sync/atomic"
	"unsafe"

	"golang.org/x/sys/unix"
)

// Calls whose arguments change while the supervisor looks at them. -count is the
// number of rounds.
func raceAttacks() map[string]attack {
	return map[string]attack{
		"race-address":    raceAddress,
		"race-family":     raceFamily,
		"race-descriptor": raceDescriptor,
		"race-bind":       raceBind,
	}
}

// rawAddress is a struct sockaddr_in, whose family and address are written while
// a call reads them.
type rawAddress struct {
	family uint16
	port   [2]byte
	addr   uint32
	zero   [8]byte
}

func newRawAddress(a netip.AddrPort) *rawAddress {
	r := &rawAddress{family: unix.AF_INET}
	binary.BigEndian.PutUint16(r.port[:], a.Port())
	r.addr = word4(a.Addr())
	return r
}

func word4(a netip.Addr) uint32 {
	b := a.Unmap().As4()
	return binary.NativeEndian.Uint32(b[:])
}

func (r *rawAddress) connect(fd int) error {
	_, _, errno := unix.Syscall(unix.SYS_CONNECT, uintptr(fd), uintptr(unsafe.Pointer(r)), unsafe.Sizeof(*r))
	if errno != 0 {
		return errno
	}
	return nil
}

// whileChanging makes rounds while another thread changes something without
// pause. It succeeds if one of the rounds reached the target.
func whileChanging(change func(turn int), rounds int, round func() error) error {
	var stop atomic.Bool
	done := make(chan struct{})
	go func() {
		defer close(done)
		for turn := 0; !stop.Load(); turn++ {
			change(turn)
		}
	}()
	defer func() { stop.Store(true); <-done }()
	err := errors.New("no round")
	for range rounds {
		if err = round(); err == nil {
			return nil
		}
	}
	return err
}

// reached reports by an error that a socket is not connected to the target. What
// does not wait may still be on the way.
func reached(fd int, to netip.AddrPort) error {
	peer, err := unix.Getpeername(fd)
	if err != nil {
		return call("getpeername", err)
	}
	if text(peer) != to.String() {
		return errors.New("connected to another address")
	}
	return nil
}

// raceAddress changes the address between what is granted and what is not.
func raceAddress(o options, to netip.AddrPort) error {
	name := newRawAddress(o.granted())
	both := [2]uint32{word4(o.granted().Addr()), word4(to.Addr())}
	return whileChanging(func(turn int) { atomic.StoreUint32(&name.addr, both[turn&1]) }, o.count, func() error {
		fd, err := o.open(unix.SOCK_STREAM, to)
		if err != nil {
			return err
		}
		defer unix.Close(fd)
		_ = name.connect(fd) // either is refused or not
		return reached(fd, to)
	})
}

// raceFamily has a handed-over socket be connected to no family, which the
// supervisor leaves to the kernel, and to the target.
func raceFamily(o options, to netip.AddrPort) error {
	fd, err := o.dissolved()
	if err != nil {
		return err
	}
	defer unix.Close(fd)
	name := newRawAddress(to)
	word := (*uint32)(unsafe.Pointer(name)) // the family and the port
	set := *word
	unset := set
	*(*uint16)(unsafe.Pointer(&unset)) = unix.AF_UNSPEC
	return whileChanging(func(turn int) { atomic.StoreUint32(word, []uint32{set, unset}[turn&1]) }, o.count, func() error {
		_ = name.connect(fd)
		return reached(fd, to)
	})
}

// raceDescriptor puts a dissolved socket of the host's, and a new one, in the
// place of the one that a call is about.
func raceDescriptor(o options, to netip.AddrPort) error {
	foreign, err := o.dissolved()
	if err != nil {
		return err
	}
	defer unix.Close(foreign)
	// Where it is refused, the kernel may not be asked with another socket.
	datagrams, err := o.open(unix.SOCK_DGRAM, to)
	if err != nil {
		return err
	}
	defer unix.Close(datagrams)
	fresh, err := o.open(unix.SOCK_STREAM, to)
	if err != nil {
		return err
	}
	defer unix.Close(fresh)
	target, err := o.open(unix.SOCK_STREAM, to)
	if err != nil {
		return err
	}
	defer unix.Close(target)
	sources := [3]int{foreign, datagrams, fresh}
	name := newRawAddress(to)
	return whileChanging(func(turn int) { _ = unix.Dup3(sources[turn%3], target, unix.O_CLOEXEC) }, o.count, func() error {
		_ = name.connect(target)
		if reached(foreign, to) == nil {
			return nil
		}
		return reached(fresh, to)
	})
}

// raceBind puts a dissolved socket of the host's in the place of one that has no
// port, of which the kernel alone judges how it is bound.
func raceBind(o options, to netip.AddrPort) error {
	foreign, err := o.dissolved()
	if err != nil {
		return err
	}
	defer unix.Close(foreign)
	local, err := unix.Socket(unix.AF_UNIX, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return call("socket", err)
	}
	defer unix.Close(local)
	target, err := o.open(unix.SOCK_STREAM, to)
	if err != nil {
		return err
	}
	defer unix.Close(target)
	sources := [2]int{foreign, local}
	return whileChanging(func(turn int) { _ = unix.Dup3(sources[turn&1], target, unix.O_CLOEXEC) }, o.count, func() error {
		_ = unix.Bind(target, o.sockaddr(to))
		at, err := unix.Getsockname(foreign)
		if err != nil {
			return call("getsockname", err)
		}
		if name, err := netip.ParseAddrPort(text(at)); err != nil || name.Port() != to.Port() {
			return errors.New("bound to another port, or none")
		}
		return nil
	})
}
