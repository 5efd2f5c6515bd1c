package cmd_test

import (
	"net/http"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/rogpeppe/go-internal/testscript"
)

// quiet is how long no request comes before those that wait are answered. It is
// long enough for a busy machine to send what it sends at once.
const quiet = 400 * time.Millisecond

// rounds answers requests in rounds: those that wait are answered together, once
// no other comes. The number of rounds is that of the round trips over a slow
// line. Requests for access are answered at once and not counted.
type rounds struct {
	next http.Handler

	mu      sync.Mutex
	on      bool
	n       int
	waiting chan struct{}
	timer   *time.Timer
}

func (r *rounds) ServeHTTP(w http.ResponseWriter, q *http.Request) {
	if !strings.HasPrefix(q.URL.Path, "/v2/") || q.URL.Path == "/v2/" {
		r.next.ServeHTTP(w, q)
		return
	}
	r.mu.Lock()
	if !r.on {
		r.mu.Unlock()
		r.next.ServeHTTP(w, q)
		return
	}
	if r.waiting == nil {
		r.n++
		round := make(chan struct{})
		r.waiting = round
		r.timer = time.AfterFunc(quiet, func() {
			r.mu.Lock()
			defer r.mu.Unlock()
			r.waiting = nil
			close(round)
		})
	} else {
		r.timer.Reset(quiet)
	}
	round := r.waiting
	r.mu.Unlock()
	<-round
	r.next.ServeHTTP(w, q)
}

// newestRegistry is where a script keeps the registry that it started last.
type newestRegistry struct{}

// countRounds is the command "rounds start" and "rounds N".
func countRounds(ts *testscript.TestScript, _ bool, args []string) {
	r := *ts.Value(newestRegistry{}).(**rounds)
	if len(args) != 1 || r == nil {
		ts.Fatalf("usage: rounds start | N, after registry")
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	if args[0] == "start" {
		r.on, r.n = true, 0
		return
	}
	most, err := strconv.Atoi(args[0])
	ts.Check(err)
	if r.on = false; r.n > most || r.n == 0 {
		ts.Fatalf("%d round trips, want at most %d", r.n, most)
	}
}
