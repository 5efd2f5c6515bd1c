package stack

import "testing"

// TestShare: all that connections can hold is bounded, and the first are as before.
func TestShare(t *testing.T) {
	limits, err := Limits{}.complete()
	if err != nil {
		t.Fatal(err)
	}
	if got := share(0); got != 0 {
		t.Errorf("the first connection has %d bytes", got)
	}
	sum, last := 0, limits.Buffer
	for open := range limits.Connections {
		size := share(open)
		if size == 0 {
			size = limits.Buffer
		}
		if size > last {
			t.Errorf("with %d open a connection has %d bytes, and %d with fewer", open, size, last)
		}
		sum, last = sum+size, size
	}
	if sum > 448<<20 {
		t.Errorf("together they have %d MiB in each direction", sum>>20)
	}
	if last < 4<<10 {
		t.Errorf("the last has %d bytes, less than the library takes", last)
	}
}

// TestWaitingIsBounded: what waits for a flow to be opened is bounded in bytes, and
// the first datagram is always kept.
func TestWaitingIsBounded(t *testing.T) {
	flows := newFlows(1)
	f := flows.add(flowKey{})
	large := make([]byte, 60<<10)
	for range mostWaiting {
		flows.pass(flowKey{}, func() []byte { return large })
	}
	if len(f.waiting) != 1 {
		t.Errorf("%d datagrams of %d bytes wait", len(f.waiting), len(large))
	}
}
