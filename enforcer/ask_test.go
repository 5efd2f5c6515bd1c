package enforcer_test

import (
	"context"
	"fmt"
	"slices"
	"strconv"
	"testing"

	"github.com/least-privilege/lpm/enforcer/container"
	"github.com/least-privilege/lpm/enforcer/plan"
	"github.com/least-privilege/lpm/enforcer/supervise"
	"github.com/least-privilege/lpm/manifest"
)

// says is a person who always gives the same answer.
type says struct {
	answer supervise.Answer
	asked  chan supervise.Question
}

func (s *says) Ask(_ context.Context, q supervise.Question) supervise.Answer {
	s.asked <- q
	return s.answer
}

// TestAsk runs each attempt twice: refused by a person who says no, and done
// for one who says yes where a running container can be given it. Landlock,
// which holds the container to what it started with, does not stand against a
// yes.
func TestAsk(t *testing.T) {
	l := newLab(t, "static")
	address := "127.0.0.1:" + strconv.Itoa(int(listener(t)))
	free := fmt.Sprintf("127.0.0.1:%d", freePort(t))
	host := func(m *manifest.Manifest) { sockets(m); hostNetwork(1, 0)(m) }
	tests := []struct {
		name  string
		args  []string
		base  func(m *manifest.Manifest)
		what  string
		fixed bool
	}{
		{name: "a system call", args: []string{"syscall", number(t, "getpriority"), "0", "0"}, what: "getpriority"},
		{name: "a port on the host's network", args: []string{"connect", "tcp", address}, base: host, what: address + "/tcp"},
		{name: "a port to listen on", args: []string{"listen", "tcp", free}, base: host, what: free + "/tcp"},
		{
			name: "an address outside with no network", args: []string{"connect", "tcp", "192.0.2.1:80"},
			base: sockets, what: "192.0.2.1:80/tcp", fixed: true,
		},
		{name: "a program", args: []string{"spawn", "/other", "hello"}, base: spawns, what: "/other", fixed: true},
	}
	for _, mode := range []manifest.IdentityMode{manifest.IdentitySingle, manifest.IdentityRange} {
		for _, test := range tests {
			t.Run(string(mode)+"/"+test.name, func(t *testing.T) {
				l := *l
				l.t = t
				l.options.BestEffort = l.landlock() < 6
				m := static(func(m *manifest.Manifest) {
					m.Identity.Mode = mode
					if test.base != nil {
						test.base(m)
					}
				})
				for _, answer := range []supervise.Answer{supervise.No, supervise.Yes} {
					person := &says{answer, make(chan supervise.Question, 100)}
					o, err := l.try(t.Context(), plan.Enforce, m, container.Observer{Asker: person}, test.args...)
					if err != nil {
						t.Fatal(err)
					}
					granted := answer == supervise.Yes && !test.fixed
					if (o.Code == 0) != granted {
						t.Errorf("answer %d: code %d, stderr %q", answer, o.Code, o.err)
					}
					denied := slices.ContainsFunc(o.Denials, func(d supervise.Denial) bool { return d.What == test.what })
					if denied == granted {
						t.Errorf("answer %d: denials %+v", answer, o.Denials)
					}
					close(person.asked)
					asked := 0
					for q := range person.asked {
						asked++
						if q.What != test.what || (q.Fixed != "") != test.fixed {
							t.Errorf("answer %d: asked %+v", answer, q)
						}
					}
					if asked == 0 || answer == supervise.Yes && asked > 1 {
						t.Errorf("answer %d: asked %d times", answer, asked)
					}
				}
			})
		}
	}
}
