package link

import (
	"errors"
	"fmt"
	"net/netip"
	"os"

	"golang.org/x/sys/unix"

	"github.com/least-privilege/lpm/enforcer/wire"
	"github.com/least-privilege/lpm/manifest"
)

// Config is what a network process is to do.
type Config struct {
	// Network is the manifest's section.
	Network manifest.Network
	// Publish are the container's ports that the host's lead to.
	Publish []Port
	// Later says that the ports are published one by one, when the container
	// listens on them; see [Process.Publish]. Until then they are kept.
	Later bool
	// Record lets everything leave the container, and tells of it.
	Record bool
	// Ask has the launcher asked about names that are not granted.
	Ask bool
}

// Port is a port of the container and where it is reached.
type Port struct {
	// Address is the host's.
	Address         string
	Host, Container uint16
	Protocol        manifest.Protocol
}

// Flow is a connection, or a stream of datagrams, that the container begins.
type Flow struct {
	Protocol manifest.Protocol
	To       netip.AddrPort
}

// Answer says whether a flow may be.
type Answer struct {
	Allowed bool
	// Name is the name by which the address was looked up, or empty.
	Name string
	// Reason says in a few words why not.
	Reason string
	// Grant is what in a manifest would allow it; nil where nothing can.
	Grant *manifest.Egress
}

// EventKind is what an [Event] is about.
type EventKind string

// The kinds of events.
const (
	// Refused is a flow, or a lookup, that was refused.
	Refused EventKind = "refused"
	// LookedUp is a name that was resolved, Flowed a flow that was let go; both
	// are told of while recording.
	LookedUp EventKind = "looked up"
	Flowed   EventKind = "flowed"
	// Trouble is something that keeps the network from doing its work, as a
	// resolver that does not answer.
	Trouble EventKind = "trouble"
	// Lost counts what could not be told one by one.
	Lost EventKind = "lost"
)

// Event is something that a network process tells of. Name comes from the
// container: escape it before printing.
type Event struct {
	Kind EventKind
	// Name is a host name, or empty.
	Name string
	// Flow is nil for lookups.
	Flow *Flow
	// Addresses are what a name was resolved to.
	Addresses []netip.Addr
	// Count is how often it happened since it was last told of.
	Count uint64
	// Reason, of what was refused, and of trouble.
	Reason string
	// Grant is as in [Answer].
	Grant *manifest.Egress
}

// kind is the first byte of a message.
type kind byte

const (
	kindDevice  kind = iota + 1 // to the network, with the device attached
	kindAsk                     // to the network: question
	kindGrant                   // to the network: a grant that a person gave
	kindPublish                 // to the network: publish a port now
	kindListen                  // to the network: listen on a kept port, with the socket attached
	kindReady                   // from the network: a reply to device, publish and listen
	kindAnswer                  // from the network: reply
	kindEvent                   // from the network
	kindName                    // from the network: may a name be looked up
	kindNamed                   // to the network: an answer to that
	kindOpen                    // from the network: open a file
	kindOpened                  // to the network: that, with the file attached
)

// maxMessage bounds a message, in bytes.
const maxMessage = 64 << 10

// Messages in the form that package wire takes; netip's types have no exported
// fields.
type (
	question struct {
		ID       uint64
		Protocol manifest.Protocol
		To       string
	}
	reply struct {
		ID uint64
		Answer
	}
	ready struct {
		ID          uint64
		Error, Hint string
		Errno       int32
	}
	publish struct {
		ID   uint64
		Port Port
	}
	listen struct {
		ID      uint64
		Port    Port
		Backlog int32
	}
	name struct {
		ID   uint64
		Name string
	}
	named struct {
		ID  uint64
		Yes bool
	}
	open struct {
		ID   uint64
		Path string
	}
	opened struct {
		ID    uint64
		Errno uint32
	}
	event struct {
		Kind      EventKind
		Name      string
		Protocol  manifest.Protocol
		To        string
		Addresses []string
		Count     uint64
		Reason    string
		Grant     *manifest.Egress
	}
)

// encode returns a message.
func encode(k kind, v any) []byte {
	var w wire.Writer
	if v != nil {
		w.Value(v)
	}
	return append([]byte{byte(k)}, w.Result()...)
}

// decode reads what encode wrote, without its first byte.
func decode(b []byte, v any) error {
	r := wire.NewReader(b)
	r.Value(v)
	if err := r.End(); err != nil {
		return fmt.Errorf("a message between launcher and network: %w", err)
	}
	return nil
}

// socket is an end of the connection. Messages are sent whole, by any number
// of goroutines.
type socket struct{ file *os.File }

// send sends a message with descriptors.
func (s socket) send(message []byte, fds ...int) error {
	if len(message) > maxMessage {
		return fmt.Errorf("a message of %d bytes between launcher and network", len(message))
	}
	conn, err := s.file.SyscallConn()
	if err != nil {
		return err
	}
	var rights []byte
	if len(fds) > 0 {
		rights = unix.UnixRights(fds...)
	}
	var sent error
	if err := conn.Write(func(fd uintptr) bool {
		sent = unix.Sendmsg(int(fd), message, rights, nil, unix.MSG_NOSIGNAL|unix.MSG_DONTWAIT)
		return !errors.Is(sent, unix.EAGAIN)
	}); err != nil {
		return err
	}
	return sent
}

// receive receives a message, which is nil at the end, and a descriptor or -1.
func (s socket) receive(buffer []byte) (message []byte, fd int, err error) {
	conn, err := s.file.SyscallConn()
	if err != nil {
		return nil, -1, err
	}
	control := make([]byte, unix.CmsgSpace(4))
	var n, used int
	var received error
	if err := conn.Read(func(fd uintptr) bool {
		n, used, _, _, received = unix.Recvmsg(int(fd), buffer, control, unix.MSG_CMSG_CLOEXEC|unix.MSG_DONTWAIT)
		return !errors.Is(received, unix.EAGAIN)
	}); err != nil {
		return nil, -1, err
	}
	if received != nil || n <= 0 {
		return nil, -1, received
	}
	fds, err := attached(control[:used])
	if err != nil || len(fds) == 0 {
		return buffer[:n], -1, err
	}
	return buffer[:n], fds[0], nil
}

// attached returns the descriptors of a message, of which there is at most one.
func attached(control []byte) ([]int, error) {
	if len(control) == 0 {
		return nil, nil
	}
	list, err := unix.ParseSocketControlMessage(control)
	if err != nil || len(list) != 1 {
		return nil, errors.Join(errors.New("a message with odd attachments"), err)
	}
	return unix.ParseUnixRights(&list[0])
}
