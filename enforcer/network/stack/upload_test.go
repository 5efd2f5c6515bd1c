package stack_test

import (
	"errors"
	"fmt"
	"io"
	"net"
	"net/netip"
	"os"
	"sync"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/least-privilege/lpm/enforcer/network/stack"
	"github.com/least-privilege/lpm/enforcer/network/stack/stacktest"
)

// BenchmarkUpload sends from the container, with as much room for packets as
// hosts give to an ordinary user (net.core.rmem_max), by one connection and by
// several.
func BenchmarkUpload(b *testing.B) {
	for _, room := range []int{212992, 1 << 20, 4 << 20} {
		for _, connections := range []int{1, 8} {
			b.Run(fmt.Sprintf("%dKiB/%d", room>>10, connections), func(b *testing.B) {
				b.SetBytes(uploaded)
				var sum loss
				for b.Loop() {
					sum.add(upload(b, room, connections, stack.Limits{}))
				}
				b.ReportMetric(float64(sum.dropped)/float64(b.N), "dropped/op")
				b.ReportMetric(float64(sum.again)/float64(b.N), "retransmitted/op")
			})
		}
	}
}

// TestUploadLosesNothing: one connection sends no more at once than there is room
// for. A packet may be lost to what else comes.
func TestUploadLosesNothing(t *testing.T) {
	for _, room := range []int{212992, 1 << 20} {
		l := upload(t, room, 1, stack.Limits{})
		if l.packets < uploaded>>16 {
			t.Errorf("%d bytes of room: %d packets carried %d bytes", room, l.packets, uploaded)
		}
		if l.dropped > l.packets/50 {
			t.Errorf("%d bytes of room: of %d packets %d were lost", room, l.packets, l.dropped)
		}
	}
}

// loss is what was dropped for want of room, and sent again.
type loss struct{ packets, dropped, again int }

func (l *loss) add(m loss) {
	l.packets, l.dropped, l.again = l.packets+m.packets, l.dropped+m.dropped, l.again+m.again
}

// uploaded is how many bytes an upload sends.
const uploaded = 256 << 20

// upload sends bytes to the host by so many connections, through a device that
// was given so many bytes of room.
func upload(t testing.TB, room, connections int, limits stack.Limits) loss {
	t.Helper()
	c := stacktest.New(t, true)
	device := int(c.Device.Fd())
	if err := unix.SetsockoptInt(device, unix.SOL_SOCKET, unix.SO_RCVBUF, room); err != nil {
		t.Fatal(err)
	}
	statistics, err := unix.Dup(device)
	if err != nil {
		t.Fatal(err)
	}
	counted := os.NewFile(uintptr(statistics), "packet socket")
	defer counted.Close()
	s, err := stack.New(stack.Options{Device: c.Device, Handler: &open{}, Limits: limits})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	l, err := net.ListenTCP("tcp", net.TCPAddrFromAddrPort(netip.AddrPortFrom(stacktest.Hosts()[0], 0)))
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	var work sync.WaitGroup
	for range connections {
		work.Go(func() { receiveAll(t, l) })
	}
	var mu sync.Mutex
	var sum loss
	for range connections {
		work.Go(func() {
			again := sendAll(t, c, l.Addr().String(), uploaded/connections)
			mu.Lock()
			defer mu.Unlock()
			sum.again += again
		})
	}
	work.Wait()
	packets, err := unix.GetsockoptTpacketStats(int(counted.Fd()), unix.SOL_PACKET, unix.PACKET_STATISTICS)
	if err != nil {
		t.Fatal(err)
	}
	sum.packets, sum.dropped = int(packets.Packets), int(packets.Drops)
	return sum
}

func receiveAll(t testing.TB, l *net.TCPListener) {
	host, err := l.AcceptTCP()
	if err != nil {
		t.Error(err)
		return
	}
	defer host.Close()
	if _, err := io.Copy(struct{ io.Writer }{io.Discard}, host); err != nil {
		t.Error(err)
	}
}

// sendAll sends from the container until the other end has all, and tells how
// many segments were sent again.
func sendAll(t testing.TB, c *stacktest.Container, to string, n int) (again int) {
	var conn net.Conn
	var err error
	c.Do(func() { conn, err = net.Dial("tcp", to) })
	if err != nil {
		t.Error(err)
		return 0
	}
	defer conn.Close()
	piece := make([]byte, 256<<10)
	for ; n > 0; n -= len(piece) {
		if _, err := conn.Write(piece); err != nil {
			t.Error(err)
			return 0
		}
	}
	tcp := conn.(*net.TCPConn)
	if err := tcp.CloseWrite(); err != nil {
		t.Error(err)
	}
	if _, err := conn.Read(make([]byte, 1)); !errors.Is(err, io.EOF) {
		t.Error("the end of what was sent: ", err)
	}
	raw, err := tcp.SyscallConn()
	if err != nil {
		t.Error(err)
		return 0
	}
	_ = raw.Control(func(fd uintptr) {
		info, err := unix.GetsockoptTCPInfo(int(fd), unix.IPPROTO_TCP, unix.TCP_INFO)
		if err != nil {
			t.Error(err)
			return
		}
		again = int(info.Total_retrans)
	})
	return again
}
