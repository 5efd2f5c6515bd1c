package record

import (
	"time"

	"golang.org/x/sys/unix"
)

// threads is what was found of threads a moment ago: looking up the program
// and the credentials of each call's thread takes the recorder longer than all
// else that most calls need.
//
// What a thread is changes by calls of its own, which the recorder sees before
// they are made. Until it sees the thread again, or [settling] is over, nothing
// is taken from here, for an execution ends the other threads of the process
// and takes over the number of its first. [fresh] is far shorter than the
// kernel takes to come round to a number again.
type threads struct {
	known     map[int]thread
	unsettled map[int]time.Time
}

type thread struct {
	program     string
	credentials *credentials
	until       time.Time
}

const (
	fresh      = 200 * time.Millisecond
	settling   = 100 * time.Millisecond
	maxThreads = 1024
	maxGroups  = 256 // kept with a thread
)

func newThreads() threads {
	return threads{known: map[int]thread{}, unsettled: map[int]time.Time{}}
}

// settle is told of each call before anything is looked up.
func (t *threads) settle(c call) {
	tid, now := c.tid, c.now
	delete(t.unsettled, tid)
	if !becomes(c) {
		return
	}
	clear(t.known)
	if len(t.unsettled) == maxThreads {
		clear(t.unsettled)
		tid = -1 // none of them is told apart any more
	}
	t.unsettled[tid] = now.Add(settling)
}

// becomes tells the calls that may change a thread's program, its credentials,
// or the name that its root gives the program.
func becomes(c call) bool {
	switch c.name {
	case "execve", "execveat", "setsid", "setpgid":
		return true
	case "prctl":
		if c.args[0] == unix.PR_SET_MM { // the link to the program
			return true
		}
	}
	return changesIdentity(c) || changesView(c)
}

// settled reports whether no thread is about to become another.
func (t *threads) settled(now time.Time) bool {
	for tid, until := range t.unsettled {
		if now.Before(until) {
			return false
		}
		delete(t.unsettled, tid)
	}
	return true
}

// at returns what is known of a thread.
func (t *threads) at(tid int, now time.Time) thread {
	if known := t.known[tid]; now.Before(known.until) && t.settled(now) {
		return known
	}
	return thread{until: now.Add(fresh)}
}

func (t *threads) keep(tid int, known thread, now time.Time) {
	if !t.settled(now) {
		return
	}
	if len(t.known) == maxThreads {
		clear(t.known)
	}
	t.known[tid] = known
}

// program returns the path of the program that makes a call.
func (r *Recorder) program(c call) string {
	known := r.threads.at(c.tid, c.now)
	if known.program == "" {
		program := c.Program()
		if program == "?" {
			return program // the thread is gone
		}
		known.program = program
		r.threads.keep(c.tid, known, c.now)
	}
	return known.program
}

// process returns the credentials of a call's thread, with the numbers of its
// process.
func (r *Recorder) process(c call) (credentials, error) {
	if r.observing != nil {
		return r.world.credentials(c.tid)
	}
	known := r.threads.at(c.tid, c.now)
	if known.credentials == nil {
		cred, err := r.world.credentials(c.tid)
		if err != nil {
			return cred, err
		}
		known.credentials = &cred
		if len(cred.groups) <= maxGroups {
			r.threads.keep(c.tid, known, c.now)
		}
	}
	return *known.credentials, nil
}
