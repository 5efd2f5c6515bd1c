package record

import (
	"bytes"
	"errors"
	"fmt"
	"slices"
	"strconv"

	"golang.org/x/sys/unix"

	"github.com/least-privilege/lpm/analyzer/evidence"
)

// noteSignal notes a signal to other processes, and CAP_KILL for one to another
// user's, by the kernel's rule: the sender's real or effective id must be the
// receiver's real or saved one (kernel/signal.c, kill_ok_by_cred). A thread's
// own process is nobody else.
func (r *Recorder) noteSignal(c call) error {
	number := c.args[1]
	if c.name == "tgkill" || c.name == "rt_tgsigqueueinfo" {
		number = c.args[2]
	}
	if number > maxSignal || r.observing != nil {
		return nil // of what is observed it is told apart
	}
	cred, err := r.credentials(c)
	if err != nil {
		return err
	}
	targets, err := r.targets(c, cred)
	if errors.Is(err, unix.ENOENT) || errors.Is(err, unix.ESRCH) {
		return nil // ended already
	}
	if err != nil || len(targets) == 0 || len(targets) == 1 && targets[0].pid == cred.pid {
		return err
	}
	to, others := evidence.OwnGroup, false
	own := cred.uids[:2]
	for _, t := range targets {
		if t.group != cred.group {
			to = evidence.OtherGroup
		}
		others = others || !slices.Contains(own, t.uids[0]) && !slices.Contains(own, t.uids[2])
	}
	if others && cred.has(unix.CAP_KILL) {
		r.needs(c, "CAP_KILL", fmt.Sprintf("%s to a process of another user", c.name))
	}
	if c.name == "kill" && int32(c.args[0]) == -1 {
		to = evidence.Everyone
	}
	r.noteSent(c.name, int(number), to, r.at(c))
	return nil
}

// maxSignal is the kernel's last.
const maxSignal = 64

func (r *Recorder) noteSent(call string, number int, to evidence.Target, o occasion) {
	key := signalKey{number, to, call}
	s := entry(&r.facts, r.facts.signals, "signals", maxOthers, key, evidence.Signal{Number: number, To: to, Call: call})
	r.facts.see(&s.Seen, o)
}

// targets returns the processes that a signal reaches. Of kill alone the number
// can stand for several.
func (r *Recorder) targets(c call, cred credentials) ([]credentials, error) {
	pid := int(int32(c.args[0]))
	switch {
	case c.name == "pidfd_send_signal":
		return r.ofPidfd(c)
	case pid <= 0 && c.name != "kill":
		return nil, nil // EINVAL or ESRCH
	case pid == cred.pid:
		return nil, nil
	}
	return r.world.signalled(c.tid, pid)
}

// ofPidfd returns the process that a descriptor of pidfd_open(2) stands for, or
// the group that it leads where that is asked for (since Linux 6.9).
func (r *Recorder) ofPidfd(c call) ([]credentials, error) {
	const group = 4 // PIDFD_SIGNAL_PROCESS_GROUP of linux/pidfd.h
	fd, err := c.TakeFD(int32(c.args[0]))
	if err != nil {
		return nil, err
	}
	defer c.LetGo(fd)
	info, err := readProc("/proc/self/fdinfo/" + strconv.Itoa(fd))
	if err != nil {
		return nil, err
	}
	pid, err := pidOf(info)
	if err != nil || pid <= 0 {
		return nil, err // -1 is a process that has ended
	}
	target, err := r.world.credentials(pid)
	if err == nil && c.args[3] == group {
		return r.world.signalled(c.tid, -target.pid)
	}
	return []credentials{target}, err
}

// pidOf returns the number of the process that a pidfd stands for, as its fdinfo
// has it for the reader (proc_pid_fdinfo(5)). What is no pidfd the kernel refuses,
// but for folders of /proc, which nothing has used since there is pidfd_open(2).
func pidOf(info []byte) (int, error) {
	for line := range bytes.Lines(info) {
		if rest, ok := bytes.CutPrefix(line, []byte("Pid:")); ok {
			return strconv.Atoi(string(bytes.TrimSpace(rest)))
		}
	}
	return 0, unix.EBADF
}
