package supervise

import (
	"runtime"
	"testing"

	"golang.org/x/sys/unix"
)

// TestPrompt: the thread's slice is short for as long as it is wanted. Kernels that
// know of no slices say 0.
func TestPrompt(t *testing.T) {
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	slice := func() uint64 {
		a, err := unix.SchedGetAttr(0, 0)
		if err != nil {
			t.Fatal(err)
		}
		return a.Runtime
	}
	before := slice()
	usual := prompt()
	if got := slice(); before != 0 && got != uint64(shortSlice) || before == 0 && got != 0 {
		t.Errorf("a slice of %d ns, %d before", got, before)
	}
	if usual(); slice() != before {
		t.Errorf("a slice of %d ns afterwards, %d before", slice(), before)
	}
}
