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
	file *os.File
	raw  syscall.RawConn
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
	var own int
	if cerr := raw.Control(func(fd uintptr) { own, err = d.prepare(int(fd)) }); cerr != nil || err != nil {
		return nil, errors.Join(cerr, err)
	}
	d.file = os.NewFile(uintptr(own), file.Name())
	if d.raw, err = d.file.SyscallConn(); err != nil {
		d.file.Close()
		return nil, err
	}
	return d, nil
}

// prepare returns a non-blocking duplicate of the descriptor, which the
// runtime waits for along with sockets.
func (d *device) prepare(fd int) (int, error) {
	domain, err := unix.GetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_DOMAIN)
	if err != nil || domain != unix.AF_PACKET {
		return 0, errors.Join(errors.New("not a packet socket"), err)
	}
	offload, err := unix.GetsockoptInt(fd, unix.SOL_PACKET, unix.PACKET_VNET_HDR)
	if err != nil {
		return 0, err
	}
	d.offload = offload != 0
	if d.room, err = unix.GetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_RCVBUF); err != nil {
		return 0, err
	}
	own, err := unix.FcntlInt(uintptr(fd), unix.F_DUPFD_CLOEXEC, 3)
	if err != nil {
		return 0, fmt.Errorf("duplicating the device's descriptor: %w", err)
	}
	if err := unix.SetNonblock(own, true); err != nil {
		unix.Close(own)
		return 0, err
	}
	return own, nil
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
func (d *device) stop() { _ = d.file.SetReadDeadline(time.Unix(1, 0)) }

func (d *device) read(head, packet []byte) (n int, err error) {
	rerr := d.raw.Read(func(fd uintptr) bool {
		for {
			n, err = unix.Readv(int(fd), [][]byte{head, packet})
			n = max(0, n-len(head))
			switch err {
			case unix.EINTR:
			case unix.EINVAL, unix.ENETDOWN:
				// A frame that has no virtio_net_hdr, and is gone; an
				// interface that the container has taken down.
			default:
				return err != unix.EAGAIN
			}
		}
	})
	if rerr != nil {
		return 0, rerr
	}
	return max(n, 0), err
}

// deliver hands an admitted packet, which it takes over, to the stack.
func (d *device) deliver(network tcpip.NetworkProtocolNumber, v *buffer.View) {
	d.mu.RLock()
	dispatcher := d.dispatcher
	d.mu.RUnlock()
	pkt := stack.NewPacketBuffer(stack.PacketBufferOptions{Payload: buffer.MakeWithView(v)})
	defer pkt.DecRef()
	if dispatcher != nil {
		dispatcher.DeliverNetworkPacket(network, pkt)
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
		_, err = unix.Writev(int(fd), append(append(room[:0], head), pkt.AsSlices()...))
	})
	switch {
	case cerr != nil:
		return &tcpip.ErrClosedForSend{}
	case err == unix.EAGAIN || err == unix.ENOBUFS:
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
