package record

import (
	"os"

	"golang.org/x/sys/unix"
)

// common is what the processes of a container have in common from its start
// until one of them changes it for itself, which takes calls that the recorder
// sees before they are made. No program gives them more than they had
// (no_new_privs), so that executing one changes nothing of it.
type common struct {
	// identity says that all have the same credentials, but for the numbers
	// of the process, which come with them.
	identity    bool
	credentials *credentials
	// view says that all have the same root and see the same mounts.
	view bool
	root *os.File
}

// settle is told of each call before anything is looked up.
func (m *common) settle(c call) {
	if changesIdentity(c) {
		m.identity = false
	}
	if changesView(c) {
		m.view = false
	}
}

// changesIdentity tells the calls that may change credentials, or make a process
// that has others. Of prctl(2) these are the options that change what an
// execution leaves.
func changesIdentity(c call) bool {
	switch c.name {
	case "setuid", "setgid", "setreuid", "setregid", "setresuid", "setresgid",
		"setfsuid", "setfsgid", "setgroups", "capset", "setns":
		return true
	case "unshare", "clone":
		return c.args[0]&unix.CLONE_NEWUSER != 0
	case "prctl":
		switch c.args[0] {
		case unix.PR_SET_KEEPCAPS, unix.PR_CAPBSET_DROP, unix.PR_SET_SECUREBITS, unix.PR_CAP_AMBIENT:
			return true
		}
	}
	return false
}

// changesView tells the calls after which a path may lead one process elsewhere
// than another, or than before.
func changesView(c call) bool {
	switch c.name {
	case "chroot", "pivot_root", "setns", "mount", "umount2", "move_mount", "mount_setattr":
		return true
	case "unshare", "clone":
		return c.args[0]&(unix.CLONE_NEWUSER|unix.CLONE_NEWNS) != 0
	}
	return false
}

// enter takes hold of the root that the container starts with, at the first call
// of its program. Where it cannot, each process is asked for its own.
func (r *Recorder) enter(c call) bool {
	root, err := r.world.enter(c.tid)
	r.common = common{identity: true, view: err == nil, root: root}
	return true
}

// Close gives back what the recorder holds of the container. What it has seen
// stays.
func (r *Recorder) Close() {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.common.view = false
	r.folders.close()
	r.common.root.Close() // of nil it is an error, and nothing else
	r.world.leave()
}

// credentials returns those of a call's thread. The numbers of its process are
// in [Recorder.process].
func (r *Recorder) credentials(c call) (credentials, error) {
	if r.observing != nil || !r.common.identity {
		return r.process(c)
	}
	if r.common.credentials == nil {
		cred, err := r.process(c)
		if err != nil {
			return cred, err
		}
		r.common.credentials = &cred
	}
	return *r.common.credentials, nil
}
