package stack

import (
	"time"

	"golang.org/x/sys/unix"
)

// drainTime bounds how long a container's end waits for what it has sent.
const drainTime = time.Second

// Drain waits until what the container has sent is with the host, for at most a
// second, and then takes no more packets: only Close can follow. A program that
// sends and ends at once, as many do that say one thing, is gone by now; its
// kernel's packets are still here, and the connections that it has ended bring
// theirs.
func (s *Stack) Drain() {
	end := time.Now().Add(drainTime)
	for (s.device.waiting() || s.sending()) && time.Now().Before(end) {
		time.Sleep(time.Millisecond)
	}
	s.stop()
	// The last packet read may have been on its way all the while.
	for s.sending() && time.Now().Before(end) {
		time.Sleep(time.Millisecond)
	}
	s.cancel()
}

// stop ends the reading of packets.
func (s *Stack) stop() {
	s.device.stop()
	s.reading.Wait()
}

// sending reports whether what was read may not be with the host yet.
func (s *Stack) sending() bool { return s.tcp.sending() || s.udp.opening() }

// waiting reports whether packets of the container's are to be read.
func (d *device) waiting() bool {
	n := 0
	err := d.raw.Control(func(fd uintptr) { n, _ = unix.IoctlGetInt(int(fd), unix.SIOCINQ) })
	return err == nil && n > 0
}

// sending reports whether connections may still bring something that the
// container has sent.
func (c *connections) sending() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	sent := 0
	for r := range c.open {
		if r.sent.Load() {
			sent++
		}
	}
	return c.reserved > sent // those in the making as well
}

// opening reports whether datagrams may wait for the host's side to be opened, or to
// be sent there.
func (t *flows) opening() bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	for _, f := range t.byKey {
		if !f.ready {
			return true
		}
	}
	return false
}
