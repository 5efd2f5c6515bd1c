package plan_test

import (
	"slices"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/least-privilege/lpm/enforcer/plan"
	"github.com/least-privilege/lpm/manifest"
)

// TestInterfaceRequests: where connections are handed over, each request about
// interfaces is the supervisor's to answer or refused, and none goes by unseen.
func TestInterfaceRequests(t *testing.T) {
	p, err := plan.New(request(func(r *plan.Request) {
		r.Manifest.Network = manifest.Network{Mode: manifest.NetworkPrivate}
		r.Manifest.Syscalls.Allow = append(r.Manifest.Syscalls.Allow,
			manifest.Syscall{Name: "ioctl", When: []manifest.Condition{{Arg: 1, OneOf: []string{"SIOCGIFCONF", "FIONREAD"}}}})
	}))
	if err != nil {
		t.Fatal(err)
	}
	reads := []uint64{
		unix.SIOCGIFNAME, unix.SIOCGIFCONF, unix.SIOCGIFFLAGS, unix.SIOCGIFADDR, unix.SIOCGIFDSTADDR, unix.SIOCGIFBRDADDR,
		unix.SIOCGIFNETMASK, unix.SIOCGIFMETRIC, unix.SIOCGIFMTU, unix.SIOCGIFHWADDR, unix.SIOCGIFINDEX, unix.SIOCGIFTXQLEN,
		unix.SIOCGIFMAP,
	}
	for request := uint64(0x8900); request < 0x8c00; request++ {
		var want []plan.Action
		switch {
		case slices.Contains(reads, request):
			want = []plan.Action{plan.ActionNotify}
		case request >= unix.SIOCGIFNAME && request < 0x8a00 || request >= 0x8b00:
			want = []plan.Action{plan.ActionEPERM}
		}
		var got []plan.Action
		for _, r := range p.Filters[0].Rules {
			if r.Syscall == "ioctl" && request&r.When[0].Mask == r.When[0].Value {
				got = append(got, r.Action)
			}
		}
		if !slices.Equal(got, want) {
			t.Errorf("request %#x gets %v, want %v", request, got, want)
		}
	}
	if when := p.Supervision.When["ioctl"]; len(when) != 2 {
		t.Errorf("the supervisor knows %v of the manifest's conditions", when)
	}
}
