package plan_test

import (
	"strings"
	"testing"

	"github.com/least-privilege/lpm/enforcer/plan"
	"github.com/least-privilege/lpm/manifest"
)

// TestHandover: a container is handed sockets of the host's where it can do with
// them no more than with its own, and cannot pass them on.
func TestHandover(t *testing.T) {
	grant := func(call string) func(r *plan.Request) {
		return func(r *plan.Request) {
			r.Manifest.Syscalls.Allow = append(r.Manifest.Syscalls.Allow, manifest.Syscall{Name: call})
		}
	}
	mount := func(m manifest.Mount) func(r *plan.Request) {
		return func(r *plan.Request) { r.Manifest.Mounts = []manifest.Mount{m} }
	}
	tests := []struct {
		name             string
		change           func(r *plan.Request)
		handover, shared bool
	}{
		{"usually", func(*plan.Request) {}, true, false},
		{"io_uring", grant("io_uring_setup"), false, false},
		{"io_uring without the ring", grant("io_uring_enter"), false, false},
		{"no Landlock of networks", func(r *plan.Request) { r.Host.LandlockABI = 3 }, false, false},
		{"the first", func(r *plan.Request) { r.Host.LandlockABI = 4 }, true, false},
		{"a volume", mount(manifest.Mount{Path: "/data", Volume: "data"}), true, false},
		{"a folder that others may have", mount(manifest.Mount{Path: "/data", Host: "/srv/data"}), true, true},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			p, err := plan.New(request(func(r *plan.Request) {
				r.Manifest.Network = manifest.Network{Mode: manifest.NetworkPrivate}
				r.Options.BestEffort = true
				test.change(r)
			}))
			if err != nil {
				t.Fatal(err)
			}
			if p.Network.Handover != test.handover || p.Network.Shared != test.shared {
				t.Errorf("handover %t, shared %t, want %t, %t", p.Network.Handover, p.Network.Shared, test.handover, test.shared)
			}
			if s := p.Supervision; s.Handover != test.handover || s.Shared != (test.handover && test.shared) {
				t.Errorf("the supervisor is told of %t, %t", s.Handover, s.Shared)
			}
			rights := strings.Join(short(p.Landlock.Uses, "LANDLOCK_ACCESS_NET_"), " ")
			if got := strings.Contains(rights, "CONNECT_TCP"); got != test.handover {
				t.Errorf("Landlock's rights are %q", rights)
			}
		})
	}
}
