package plan

import "github.com/least-privilege/lpm/manifest"

// Trial is a part of a launch that stands for an ability of the machine. It
// consists of the very operations that launches are made of, so that where it
// succeeds they do.
type Trial struct {
	// Namespaces are the clone flags, such as "CLONE_NEWUSER".
	Namespaces []string
	Ops        []Op
}

// TrialUser makes a user namespace and uses a capability in it, to give one up.
// Where AppArmor restricts user namespaces, making one succeeds, and the
// capabilities in it are worth nothing.
func TrialUser() Trial {
	b := newTrial(Request{})
	b.do("using a capability", "prctl", flags("PR_CAPBSET_DROP"), null(), null(), null(), null())
	return Trial{Namespaces: []string{"CLONE_NEWUSER"}, Ops: b.plan.Ops}
}

// TrialNamespaces makes a user namespace and, owned by it, those of the kinds
// that are given by their clone flags.
func TrialNamespaces(kinds ...string) Trial {
	return Trial{Namespaces: append([]string{"CLONE_NEWUSER"}, kinds...)}
}

// TrialProc mounts /proc.
func TrialProc() Trial {
	b := newTrial(Request{})
	b.newFS("mounting /proc", "proc", attrData)
	return b.inMounts()
}

// TrialTmpfs mounts what writable folders are.
func TrialTmpfs() Trial {
	b := newTrial(Request{})
	b.newFS("mounting a tmpfs", "tmpfs", attrData, [2]string{"size", "1048576"}, [2]string{"nr_inodes", inodes(1 << 20)},
		[2]string{"mode", "0755"}, [2]string{"uid", "0"}, [2]string{"gid", "0"})
	return b.inMounts()
}

// TrialTerminals mounts pseudo-terminals of its own.
func TrialTerminals() Trial {
	b := newTrial(Request{})
	b.newTerminals("mounting /dev/pts")
	return b.inMounts()
}

// TrialMounts copies a mount, changes its attributes and puts it elsewhere.
func TrialMounts() Trial {
	const about = "changing mounts"
	b := newTrial(Request{})
	m := b.open(about, "open_tree", flags("AT_FDCWD"), text("/"), flags("OPEN_TREE_CLONE", "OPEN_TREE_CLOEXEC", "AT_RECURSIVE"))
	b.setAttributes(about, m, attrRoot+"|MOUNT_ATTR_RDONLY", "AT_RECURSIVE")
	b.do(about, "move_mount", m, text(""), flags("AT_FDCWD"), text("/"), flags("MOVE_MOUNT_F_EMPTY_PATH"))
	return b.inMounts()
}

// What the image has that [TrialOverlay] and [TrialWhiteout] mount: a folder
// that is not empty, and a file that its layer hides.
const (
	TrialFolder = "/folder"
	TrialHidden = "/hidden"
)

// TrialOverlay mounts a root, and a writable folder over one of its folders, in
// which it makes another.
func TrialOverlay(p Places) (Trial, error) {
	b := newTrial(trialRequest(p))
	if err := b.root(); err != nil {
		return Trial{}, err
	}
	if err := b.writablePath(manifest.WritablePath{Path: TrialFolder, Size: 1 << 20}, TrialFolder); err != nil {
		return Trial{}, err
	}
	const about = "writing to an overlay"
	b.do(about, "mkdirat", b.at(about, TrialFolder), text("new"), number(0o700))
	return b.inMounts(), nil
}

// TrialWhiteout mounts a root and looks for the file that its layer hides.
func TrialWhiteout(p Places) (Trial, error) {
	b := newTrial(trialRequest(p))
	if err := b.root(); err != nil {
		return Trial{}, err
	}
	h := how("O_PATH|O_CLOEXEC", resolveReal)
	b.do("looking for a hidden file", "openat2", fd(rootFD), text(TrialHidden), h, size(h)).Want = "ENOENT"
	return b.inMounts(), nil
}

func trialRequest(p Places) Request {
	return Request{
		Mode: Enforce, Places: p, Manifest: &manifest.Manifest{Identity: manifest.Identity{Mode: manifest.IdentitySingle}},
		Image: Image{Survey: Survey{Paths: map[string]PathFact{TrialFolder: {Real: TrialFolder, Exists: true, Dir: true, Mode: 0o755}}}},
	}
}

// TrialListener loads a filter whose calls a supervisor would answer.
func TrialListener() Trial {
	b := newTrial(Request{})
	b.listen()
	return b.inMounts()
}

// TrialInterface makes the interface of a private network.
func TrialInterface() Trial {
	b := newTrial(Request{})
	b.connect()
	return Trial{Namespaces: []string{"CLONE_NEWUSER", "CLONE_NEWNET"}, Ops: b.plan.Ops}
}

// TrialPackets makes that interface, and a socket for what goes over it.
func TrialPackets() Trial {
	b := newTrial(Request{})
	b.configure()
	return Trial{Namespaces: []string{"CLONE_NEWUSER", "CLONE_NEWNET"}, Ops: b.plan.Ops}
}

// TrialWakeUp has the supervisor's answers wake the caller at once.
func TrialWakeUp() Trial {
	b := newTrial(Request{})
	b.do("supervising a call", "ioctl", b.listen(), flags("SECCOMP_IOCTL_NOTIF_SET_FLAGS"), flags("SECCOMP_USER_NOTIF_FD_SYNC_WAKE_UP"))
	return b.inMounts()
}

func (b *builder) listen() Arg {
	const about = "loading the system call filter"
	b.do(about, "prctl", flags("PR_SET_NO_NEW_PRIVS"), number(1), null(), null(), null())
	return b.open(about, "seccomp", flags("SECCOMP_SET_MODE_FILTER"), flags("SECCOMP_FILTER_FLAG_NEW_LISTENER"), Arg{Filters: true})
}

func newTrial(r Request) *builder {
	return &builder{Request: r, plan: &Plan{}, attached: map[string]Arg{}}
}

// inMounts is the trial in a mount namespace of its own, and in a pid namespace,
// which /proc is of.
func (b *builder) inMounts() Trial {
	leave := Op{Call: "mount", Args: []Arg{null(), text("/"), null(), flags("MS_REC", "MS_PRIVATE"), null()}, About: "leaving the host's mounts"}
	return Trial{
		Namespaces: []string{"CLONE_NEWUSER", "CLONE_NEWNS", "CLONE_NEWPID"},
		Ops:        append([]Op{leave}, b.plan.Ops...),
	}
}
