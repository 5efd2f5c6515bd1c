package resolver

import (
	"context"
	"fmt"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"

	"github.com/least-privilege/lpm/enforcer/network/policy"
)

// A person may grant a name while its question waits.
func TestAsk(t *testing.T) {
	u := newUpstream(t, zone("new.example.com 60 A 192.0.2.1", "no.example.com 60 A 192.0.2.2"))
	b := newRig(t, nil, u)
	var asked []string
	b.config.Ask = func(_ context.Context, v policy.Verdict) bool {
		asked = append(asked, v.Name)
		if v.Name != "new.example.com" {
			return false
		}
		b.grant(v)
		return true
	}
	for name, want := range map[string]string{"new.example.com": "192.0.2.1", "no.example.com": "", "not/a/name": ""} {
		m := b.ask(t, name, a4)
		if addresses(m) != want || (m.RCode == gone) != (want == "") {
			t.Errorf("%s: %s with %q, want %q", name, m.RCode, addresses(m), want)
		}
	}
	slices.Sort(asked)
	if !slices.Equal(asked, []string{"new.example.com", "no.example.com"}) {
		t.Errorf("a person was asked for %q", asked)
	}
}

// grant does what a person says.
func (b *rig) grant(v policy.Verdict) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.rules = b.rules.With(*v.Grant)
}

// Questions about one name wait for one prompt, and however many names a
// container asks for, those that are granted are answered.
func TestPrompts(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := piped(t, []string{"api.example.com"}, map[string]handler{"192.0.2.53": zone("new0.example.com 60 A 192.0.2.1", "api.example.com 60 A 192.0.2.2")})
		write(t, b.conf, "nameserver 192.0.2.53\n")
		release := make(chan struct{})
		var prompts, found, none atomic.Int32
		b.config.Ask = func(_ context.Context, v policy.Verdict) bool {
			prompts.Add(1)
			<-release
			b.grant(v)
			return true
		}
		var wait sync.WaitGroup
		ask := func(name string) {
			wait.Go(func() {
				raw := b.Answer(t.Context(), pack(queryFor(name)), false)
				switch {
				case raw == nil:
					none.Add(1)
				case raw[7] == 1: // records in the answer
					found.Add(1)
				}
			})
		}
		for range maxWaiting + 3 {
			ask("new0.example.com")
		}
		for i := range 2 * maxPrompts {
			ask(fmt.Sprintf("new%d.example.com", i+1))
			synctest.Wait()
		}
		if got := addresses(b.ask(t, "api.example.com", a4)); got != "192.0.2.2" {
			t.Errorf("a name that is granted has %q", got)
		}
		if prompts.Load() != maxPrompts || none.Load() != 3 {
			t.Errorf("%d prompts, want %d; %d questions got no answer, want 3", prompts.Load(), maxPrompts, none.Load())
		}
		close(release)
		wait.Wait()
		if found.Load() != maxWaiting || len(b.prompts) != 0 {
			t.Errorf("%d questions were answered, want %d; %d prompts are left", found.Load(), maxWaiting, len(b.prompts))
		}
	})
}
