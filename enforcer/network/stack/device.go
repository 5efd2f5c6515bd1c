package stack

import (
	"encoding/binary"
	"errors"
	"fmt"
	"os"
	"sync"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
	"gvisor.dev/gvisor/pkg/buffer"
	"gvisor.dev/gvisor/pkg/tcpip"
	"gvisor.dev/gvisor/pkg/tcpip/header"
	"gvisor.dev/gvisor/pkg/tcpip/stack"

	"github.com/least-privilege/lpm/enforcer/network/subnet"
)

const (
	// packetSize is the largest packet with the header before it, which is
	// also the largest piece of memory that the buffers keep for use anew.
	packetSize = 64 << 10
	// copySize is how long a packet is that keeps the buffer it was read into.
	// Shorter ones are copied, so that a queue of them holds little more
	// memory than it is counted for.
	copySize = 16 << 10
	// offloadHeader is the length of struct virtio_net_hdr, and frameHeader that
	// of an Ethernet frame.
	offloadHeader = 10
	frameHeader   = 14
)

// device is a packet socket on the other end of the container's interface, as a
// link of the stack.
type device struct {
	socket *os.File
	raw    syscall.RawConn
	// readable is a set (epoll(7)) that has the socket alone, and waits only for
	// packets. What the runtime waits for itself, it waits for to be writable as
	// well, which this socket says it is whenever the container has taken a packet.
	readable *os.File
	ready    syscall.RawConn
	// offload says that frames have a struct virtio_net_hdr before them
	// (PACKET_VNET_HDR), with which checksums need not be computed.
	offload bool
	// room is how many bytes of packets the kernel keeps until they are read, with
	// what it needs beside them; 0 is as many as one likes.
	room int

	mu         sync.RWMutex
	dispatcher stack.NetworkDispatcher
}

// newDevice takes the file over.
func newDevice(file *os.File) (*device, error) {
	defer file.Close()
	raw, err := file.SyscallConn()
	if err != nil {
		return nil, err
	}
	d := &device{}
	if cerr := raw.Control(func(fd uintptr) { err = d.prepare(int(fd), file.Name()) }); cerr != nil || err != nil {
		return nil, errors.Join(cerr, err)
	}
	return d, nil
}

// prepare looks at the descriptor, and opens a duplicate of it.
func (d *device) prepare(fd int, name string) error {
	domain, err := unix.GetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_DOMAIN)
	if err != nil || domain != unix.AF_PACKET {
		return errors.Join(errors.New("not a packet socket"), err)
	}
	offload, err := unix.GetsockoptInt(fd, unix.SOL_PACKET, unix.PACKET_VNET_HDR)
	if err != nil {
		return err
	}
	d.offload = offload != 0
	if d.room, err = unix.GetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_RCVBUF); err != nil {
		return err
	}
	own, err := unix.FcntlInt(uintptr(fd), unix.F_DUPFD_CLOEXEC, 3)
	if err != nil {
		return fmt.Errorf("duplicating the device's descriptor: %w", err)
	}
	return d.open(own, name)
}

// open takes a descriptor over, which does not block from then on.
func (d *device) open(fd int, name string) error {
	// The runtime waits for what does not block, so that this comes first.
	err := unix.SetNonblock(fd, false)
	d.socket = os.NewFile(uintptr(fd), name)
	if err == nil {
		err = unix.SetNonblock(fd, true)
	}
	if err == nil {
		d.raw, err = d.socket.SyscallConn()
	}
	if err == nil {
		err = d.openSet(fd, name)
	}
	if err != nil {
		d.socket.Close()
		return fmt.Errorf("preparing the device's descriptor: %w", err)
	}
	return nil
}

func (d *device) openSet(fd int, name string) error {
	set, err := unix.EpollCreate1(unix.EPOLL_CLOEXEC)
	if err != nil {
		return err
	}
	err = unix.EpollCtl(set, unix.EPOLL_CTL_ADD, fd, &unix.EpollEvent{Events: unix.EPOLLIN})
	if err == nil {
		err = unix.SetNonblock(set, true)
	}
	if err != nil {
		unix.Close(set)
		return err
	}
	d.readable = os.NewFile(uintptr(set), name)
	if d.ready, err = d.readable.SyscallConn(); err != nil {
		d.readable.Close()
	}
	return err
}

// shut closes the device. Nothing is read by then.
func (d *device) shut() {
	d.readable.Close()
	d.socket.Close()
}

// window is the buffer of a connection that lets the container send at once, which
// is half of it, as much as there is room for. An ordinary user's socket has little
// (net.core.rmem_max): of what a larger window invites, packets would be lost and
// sent again.
func (d *device) window(most int) int {
	if d.room == 0 {
		return most
	}
	return min(most, max(d.room, 2*packetSize))
}

// receive reads packets until it is stopped, and has each of them handled.
// The packet that handle gets is its own.
func (d *device) receive(handle func(*buffer.View)) error {
	var space [offloadHeader + frameHeader]byte
	head := d.head(space[:])
	for {
		v := buffer.NewViewSize(packetSize)
		n, err := d.read(head, v.AsSlice())
		for err == nil && n <= copySize {
			if n > 0 {
				handle(buffer.NewViewWithData(v.AsSlice()[:n]))
			}
			n, err = d.read(head, v.AsSlice())
		}
		if err != nil {
			v.Release()
			return err
		}
		v.CapLength(n)
		handle(v)
	}
}

// head returns the part of the space that the headers before a packet take.
func (d *device) head(space []byte) []byte {
	if d.offload {
		return space[:offloadHeader+frameHeader]
	}
	return space[:frameHeader]
}

// stop ends receive.
func (d *device) stop() { _ = d.readable.SetReadDeadline(time.Unix(1, 0)) }

func (d *device) read(head, packet []byte) (n int, err error) {
	rerr := d.ready.Read(func(uintptr) bool {
		if cerr := d.raw.Control(func(fd uintptr) { n, err = readFrame(int(fd), head, packet) }); cerr != nil {
			err = cerr
		}
		return !errors.Is(err, unix.EAGAIN)
	})
	if rerr != nil {
		return 0, rerr
	}
	return n, err
}

// readFrame returns the length of the packet.
func readFrame(fd int, head, packet []byte) (int, error) {
	for {
		n, err := readv(fd, head, packet)
		// A frame that has no virtio_net_hdr, and is gone; an interface that
		// the container has taken down.
		if !errors.Is(err, unix.EINVAL) && !errors.Is(err, unix.ENETDOWN) {
			return max(0, n-len(head)), err
		}
	}
}

// deliver hands an admitted packet, which it takes over, to the stack.
func (d *device) deliver(a admission, v *buffer.View) {
	d.mu.RLock()
	dispatcher := d.dispatcher
	d.mu.RUnlock()
	pkt := stack.NewPacketBuffer(stack.PacketBufferOptions{Payload: a.apart(v)})
	defer pkt.DecRef()
	if dispatcher != nil {
		dispatcher.DeliverNetworkPacket(a.network, pkt)
	}
}

// WritePackets is of stack.LinkWriter.
func (d *device) WritePackets(pkts stack.PacketBufferList) (int, tcpip.Error) {
	for i, pkt := range pkts.AsSlice() {
		if err := d.write(pkt); err != nil {
			return i, err
		}
	}
	return pkts.Len(), nil
}

func (d *device) write(pkt *stack.PacketBuffer) tcpip.Error {
	var err error
	// Not RawConn.Write, which lets in one writer after the other: the
	// kernel handles the packet during the call, and takes them from many.
	cerr := d.raw.Control(func(fd uintptr) {
		var space [offloadHeader + frameHeader]byte
		head := d.head(space[:])
		if d.offload {
			encodeOffload(head, pkt)
		}
		encodeFrame(head[len(head)-frameHeader:], pkt)
		var room [8][]byte
		_, err = writev(int(fd), append(append(room[:0], head), pkt.AsSlices()...)...)
	})
	switch {
	case cerr != nil:
		return &tcpip.ErrClosedForSend{}
	case errors.Is(err, unix.EAGAIN) || errors.Is(err, unix.ENOBUFS):
		return &tcpip.ErrNoBufferSpace{}
	case err != nil:
		return &tcpip.ErrInvalidEndpointState{}
	}
	return nil
}

// encodeOffload writes the struct virtio_net_hdr of a packet.
func encodeOffload(head []byte, pkt *stack.PacketBuffer) {
	if !pkt.GSOOptions.NeedsCsum {
		return
	}
	head[0] = unix.VIRTIO_NET_HDR_F_NEEDS_CSUM
	binary.LittleEndian.PutUint16(head[6:], frameHeader+pkt.GSOOptions.L3HdrLen)
	binary.LittleEndian.PutUint16(head[8:], pkt.GSOOptions.CsumOffset)
}

// encodeFrame writes the header of a packet's frame. The interface's own address
// is the only one that a frame on this wire has.
func encodeFrame(head []byte, pkt *stack.PacketBuffer) {
	address := subnet.MAC()
	copy(head, address[:])
	copy(head[6:], address[:])
	binary.BigEndian.PutUint16(head[12:], uint16(pkt.NetworkProtocolNumber))
}

// GSOMaxSize is of stack.GSOEndpoint. No packet is larger than the device takes.
func (d *device) GSOMaxSize() uint32 { return subnet.MTU }

// SupportedGSO is of stack.GSOEndpoint. It is only for the checksums.
func (d *device) SupportedGSO() stack.SupportedGSO {
	if d.offload {
		return stack.HostGSOSupported
	}
	return stack.GSONotSupported
}

// Attach is of stack.NetworkLinkEndpoint.
func (d *device) Attach(dispatcher stack.NetworkDispatcher) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.dispatcher = dispatcher
}

// IsAttached is of stack.NetworkLinkEndpoint.
func (d *device) IsAttached() bool {
	d.mu.RLock()
	defer d.mu.RUnlock()
	return d.dispatcher != nil
}

// Capabilities is of stack.NetworkLinkEndpoint. The kernel made the packets that
// come in, on this machine: their checksums tell nothing, and may be left open.
func (d *device) Capabilities() stack.LinkEndpointCapabilities {
	return stack.CapabilityRXChecksumOffload
}

// MTU is of stack.NetworkLinkEndpoint.
func (d *device) MTU() uint32 { return subnet.MTU }

// ARPHardwareType is of stack.NetworkLinkEndpoint.
func (d *device) ARPHardwareType() header.ARPHardwareType { return header.ARPHardwareNone }

// The rest of stack.NetworkLinkEndpoint is nothing for a device without link
// addresses and headers.

func (d *device) SetMTU(uint32)                        {}
func (d *device) MaxHeaderLength() uint16              { return 0 }
func (d *device) LinkAddress() tcpip.LinkAddress       { return "" }
func (d *device) SetLinkAddress(tcpip.LinkAddress)     {}
func (d *device) AddHeader(*stack.PacketBuffer)        {}
func (d *device) ParseHeader(*stack.PacketBuffer) bool { return true }
func (d *device) Wait()                                {}
func (d *device) Close()                               {}
func (d *device) SetOnCloseAction(func())              {}
