package stack

import (
	"net/netip"
	"slices"
	"testing"
)

// TestFlowOpens: what waited for a flow is sent before what comes meanwhile, and the
// flow counts as opening until all of it is. A flow that is ended meanwhile sends no
// more.
func TestFlowOpens(t *testing.T) {
	key := flowKey{netip.MustParseAddrPort("192.0.2.1:1"), netip.MustParseAddrPort("192.0.2.2:2")}
	for _, ended := range []bool{false, true} {
		flows := newFlows(1)
		f := flows.add(key)
		pass := func(word string) { flows.pass(key, func() []byte { return []byte(word) }) }
		pass("first")
		pass("second")
		var sent []string
		send := func(p []byte) {
			sent = append(sent, string(p))
			switch opening := flows.opening(); string(p) {
			case "fourth":
			case "second":
				if pass("third"); ended {
					flows.remove(f)
				}
				fallthrough
			default:
				if !opening {
					t.Errorf("opened after %q", sent)
				}
			}
		}
		closed := 0
		opened := flows.open(f, send, func() { closed++ })
		if pass("fourth"); opened == ended || flows.opening() {
			t.Errorf("ended %v: opened %v, opening %v", ended, opened, flows.opening())
		}
		want := []string{"first", "second", "third", "fourth"}
		if ended {
			want = want[:2]
		}
		if !slices.Equal(sent, want) || closed != 0 {
			t.Errorf("ended %v: sent %q, closed %d times", ended, sent, closed)
		}
	}
}
