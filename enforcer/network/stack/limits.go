package stack

import (
	"errors"
	"sync/atomic"
	"time"

	"gvisor.dev/gvisor/pkg/tcpip"
	"gvisor.dev/gvisor/pkg/tcpip/transport/tcp"
)

// Limits bound what a container may make the stack hold. Zero is the default.
//
// A descriptor is needed for each connection, flow and pending connection.
type Limits struct {
	// Connections is how many TCP connections may be open (4096), and
	// Pending how many of them in the making (512). More are reset, or left to be
	// tried again by the container's kernel.
	Connections, Pending int
	// UDPFlows is how many flows may be open (1024), and as many into the
	// container. Beyond it, a new one takes
	// the place of one that was never answered, or is dropped.
	UDPFlows int
	// EchoFlows is how many destinations may be pinged at a time (64).
	EchoFlows int
	// Queries is how many names may be resolved at a time (128).
	Queries int
	// UDPIdle is how long a flow may be silent (two minutes), and EchoIdle how long
	// an echo (thirty seconds).
	UDPIdle, EchoIdle time.Duration
	// Buffer is the most that a connection holds for one direction, in
	// bytes (4 MiB). It is less where there are many, and what comes from the
	// container is less where the device has less room.
	Buffer int
}

func (l Limits) complete() (Limits, error) {
	for _, n := range []struct {
		value *int
		usual int
	}{
		{&l.Connections, 4096}, {&l.Pending, 512}, {&l.UDPFlows, 1024}, {&l.EchoFlows, 64},
		{&l.Queries, 128}, {&l.Buffer, 4 << 20},
	} {
		if *n.value < 0 {
			return l, errors.New("a limit of the network is below zero")
		}
		if *n.value == 0 {
			*n.value = n.usual
		}
	}
	if l.UDPIdle <= 0 {
		l.UDPIdle = 2 * time.Minute
	}
	if l.EchoIdle <= 0 {
		l.EchoIdle = 30 * time.Second
	}
	return l, nil
}

// initial is the buffer of a connection that has not shown yet what it needs, in
// bytes.
const initial = 1 << 20

// tune sets what the library has other defaults for.
func (s *Stack) tune() error {
	const smallest = 4 << 10
	sack, moderate := tcpip.TCPSACKEnabled(true), tcpip.TCPModerateReceiveBufferOption(true)
	// Packets are neither lost nor reordered on the way: nothing old can come.
	wait := tcpip.TCPTimeWaitTimeoutOption(time.Second)
	// The other end is on this machine: it answers at once, or not at all.
	retries := tcpip.TCPSynRetriesOption(3)
	send := tcpip.TCPSendBufferSizeRangeOption{Min: smallest, Default: min(initial, s.limits.Buffer), Max: s.limits.Buffer}
	window := s.device.window(s.limits.Buffer)
	receive := tcpip.TCPReceiveBufferSizeRangeOption{Min: smallest, Default: min(initial, window), Max: window}
	for _, o := range []tcpip.SettableTransportProtocolOption{&sack, &moderate, &wait, &retries, &send, &receive} {
		if err := s.net.SetTransportProtocolOption(tcp.ProtocolNumber, o); err != nil {
			return problem("setting up TCP", err)
		}
	}
	return nil
}

// Stats are counts since the start, and of what is open now.
type Stats struct {
	// Packets were admitted; the others were dropped for what they are.
	Packets, Malformed, Spoofed, Unsupported uint64
	// Limited is how often a limit was met.
	Limited uint64
	// Connections, UDPFlows and EchoFlows are those open now.
	Connections, UDPFlows, EchoFlows int
	// Up and Down are payload bytes of TCP and UDP from and to the container.
	Up, Down uint64
}

type counters struct {
	packets, malformed, spoofed, unsupported, limited, up, down atomic.Uint64
}

// Stats returns the present counts.
func (s *Stack) Stats() Stats {
	return Stats{
		Packets: s.counts.packets.Load(), Malformed: s.counts.malformed.Load(),
		Spoofed: s.counts.spoofed.Load(), Unsupported: s.counts.unsupported.Load(),
		Limited: s.counts.limited.Load(), Up: s.counts.up.Load(), Down: s.counts.down.Load(),
		Connections: s.tcp.count(), UDPFlows: s.udp.count() + s.published.count(), EchoFlows: s.echo.count(),
	}
}
