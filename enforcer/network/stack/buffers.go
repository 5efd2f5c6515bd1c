package stack

import "gvisor.dev/gvisor/pkg/tcpip"

// What a connection holds is in the memory of this process, which no limit of the
// container's counts: two ends that send and do not read could fill it, and the
// machine's. So only the first connections may have buffers as large as they come to
// need, and the more are open, the less have those that come.
//
// At the default limits all of them together hold 128 + 56 + 240 MiB in each
// direction, and 16 MiB of what the relays hold (smallSize).
const (
	// largeBuffers is how many connections may have what Limits.Buffer says.
	largeBuffers = 32
	// mediumBuffers is the number up to which they have mediumBuffer bytes.
	mediumBuffers = 256
	mediumBuffer  = 256 << 10
	// smallBuffer is what the others have, of which the container's kernel is
	// told half as its window: enough, for the other end is on this machine.
	smallBuffer = 64 << 10
)

// share returns how many bytes a connection may hold in each direction, and 0 for
// what Limits.Buffer says; open is how many there are besides.
func share(open int) int {
	switch {
	case open < largeBuffers:
		return 0
	case open < mediumBuffers:
		return mediumBuffer
	}
	return smallBuffer
}

// bound bounds what an endpoint holds.
func (s *Stack) bound(ep tcpip.Endpoint, size int) {
	if size == 0 || size > s.limits.Buffer {
		return
	}
	o := ep.SocketOptions()
	o.SetReceiveBufferSize(int64(size), true)
	o.SetSendBufferSize(int64(size), true)
}
