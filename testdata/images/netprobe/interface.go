package main

import (
	"encoding/binary"
	"fmt"
	"net"
	"net/netip"
	"unsafe"

	"golang.org/x/sys/unix"
)

// interfaces prints the interfaces that have addresses, as netdevice(7) tells of
// them: the index of each, its name by that, its address and mask, its size of
// packets, hardware address and flags.
func interfaces(o options, _ []string) error {
	open := func() (int, error) { return o.open(unix.SOCK_DGRAM, netip.AddrPort{}) }
	if o.also != "" {
		open = o.handed
	}
	fd, err := open()
	if err != nil {
		return err
	}
	defer unix.Close(fd)
	names, err := interfaceNames(fd)
	if err != nil {
		return err
	}
	for _, name := range names {
		if err := describeInterface(fd, name); err != nil {
			return err
		}
	}
	return nil
}

// sizeofIfreq is that of struct ifreq.
const sizeofIfreq = 40

// interfaceNames makes the request SIOCGIFCONF, twice as programs do.
func interfaceNames(fd int) ([]string, error) {
	var list []byte
	for {
		// struct ifconf of linux/if.h
		conf := struct {
			length int32
			_      int32
			buffer unsafe.Pointer
		}{length: int32(len(list))}
		if list != nil {
			conf.buffer = unsafe.Pointer(unsafe.SliceData(list))
		}
		if err := request(fd, unix.SIOCGIFCONF, unsafe.Pointer(&conf)); err != nil {
			return nil, err
		}
		if list == nil {
			list = make([]byte, conf.length+sizeofIfreq)
			continue
		}
		var names []string
		for at := 0; at+sizeofIfreq <= int(conf.length); at += sizeofIfreq {
			names = append(names, unix.ByteSliceToString(list[at:at+unix.IFNAMSIZ]))
		}
		return names, nil
	}
}

func describeInterface(fd int, name string) error {
	var failed error
	ask := func(number uintptr, name string, value uint32) []byte {
		var b [sizeofIfreq]byte
		copy(b[:unix.IFNAMSIZ-1], name)
		binary.NativeEndian.PutUint32(b[unix.IFNAMSIZ:], value)
		if err := request(fd, number, unsafe.Pointer(&b)); err != nil && failed == nil {
			failed = fmt.Errorf("request %#x: %w", number, err)
		}
		if number == unix.SIOCGIFNAME {
			return b[:unix.IFNAMSIZ]
		}
		return b[unix.IFNAMSIZ:]
	}
	index := binary.NativeEndian.Uint32(ask(unix.SIOCGIFINDEX, name, 0))
	again := unix.ByteSliceToString(ask(unix.SIOCGIFNAME, "", index))
	// struct sockaddr_in
	address, mask := net.IP(ask(unix.SIOCGIFADDR, name, 0)[4:8]), net.IPMask(ask(unix.SIOCGIFNETMASK, name, 0)[4:8])
	hardware := net.HardwareAddr(ask(unix.SIOCGIFHWADDR, name, 0)[2:8])
	mtu, flags := binary.NativeEndian.Uint32(ask(unix.SIOCGIFMTU, name, 0)), binary.NativeEndian.Uint16(ask(unix.SIOCGIFFLAGS, name, 0))
	if failed != nil {
		return failed
	}
	fmt.Printf("%s %d %s %s %s %d %s up=%t\n", name, index, again, address, mask, mtu, hardware, flags&unix.IFF_UP != 0)
	return nil
}

func request(fd int, number uintptr, arg unsafe.Pointer) error {
	if _, _, errno := unix.Syscall(unix.SYS_IOCTL, uintptr(fd), number, uintptr(arg)); errno != 0 {
		return call("ioctl", errno)
	}
	return nil
}
