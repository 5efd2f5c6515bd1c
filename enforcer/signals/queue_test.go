package signals_test

import (
	"errors"
	"os"
	"os/exec"
	"os/signal"
	"strconv"
	"sync"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/least-privilege/lpm/enforcer/signals"
)

// child says in the environment what this program is run again for.
const child = "LPM_TEST_SIGNALS"

func TestMain(m *testing.M) {
	if os.Getenv(child) != "" {
		os.Exit(catch())
	}
	os.Exit(m.Run())
}

// catch signals itself, from and with many threads, and returns 0 where each
// signal was caught once.
func catch() int {
	q, err := signals.New()
	if err != nil {
		return 2
	}
	list := []unix.Signal{unix.SIGTERM, unix.SIGINT, 64}
	if err := q.Catch(list); err != nil {
		return 3
	}
	const each, last = 100, unix.Signal(63)
	var senders sync.WaitGroup
	for range each {
		for _, s := range list {
			senders.Go(func() {
				for range 1000 { // what the handler must not disturb
					_ = strconv.Itoa(os.Getpid())
				}
				// A real-time signal is queued; of the others one is
				// pending at a time.
				_ = unix.Tgkill(os.Getpid(), unix.Gettid(), s)
			})
		}
	}
	senders.Wait()
	_ = q.Send(last)
	count := map[unix.Signal]int{}
	for s := q.Next(); s != last; s = q.Next() {
		count[s]++
	}
	ignored := signal.Ignored(unix.SIGINT)
	switch {
	case count[unix.SIGTERM] == 0 || count[unix.SIGTERM] > each, count[64] != each, len(count) > 3:
		return 4
	case ignored != (count[unix.SIGINT] == 0):
		return 5
	case ignored:
		return 6
	}
	if err := q.Catch(list); err == nil {
		return 7 // a process has one that catches
	}
	return 0
}

func TestCatch(t *testing.T) {
	for _, test := range []struct {
		name    string
		command []string
		code    int
	}{
		{"caught", []string{os.Args[0]}, 0},
		{"what was ignored stays so", []string{"/bin/sh", "-c", `trap "" INT; exec "$0"`, os.Args[0]}, 6},
	} {
		t.Run(test.name, func(t *testing.T) {
			c := exec.Command(test.command[0], test.command[1:]...)
			c.Env = append(os.Environ(), child+"=1")
			err := c.Run()
			var exit *exec.ExitError
			if err != nil && !errors.As(err, &exit) || c.ProcessState.ExitCode() != test.code {
				t.Errorf("got %v, want %d", c.ProcessState, test.code)
			}
		})
	}
}

// TestQueue: what is sent comes in its order, and wakes who waits; so does the
// end.
func TestQueue(t *testing.T) {
	q, err := signals.New()
	if err != nil {
		t.Fatal(err)
	}
	defer q.Close()
	time.AfterFunc(10*time.Millisecond, func() {
		_ = q.Send(unix.SIGHUP)
		_ = q.Send(unix.SIGKILL)
		time.AfterFunc(10*time.Millisecond, q.Stop)
	})
	for _, want := range []unix.Signal{unix.SIGHUP, unix.SIGKILL, 0, 0} {
		if s := q.Next(); s != want {
			t.Errorf("got %d, want %d", s, want)
		}
	}
	if err := q.Send(unix.SIGHUP); err != nil {
		t.Errorf("after the end: %v", err)
	}
}
