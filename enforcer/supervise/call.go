package supervise

// Call is one system call that waits for a verdict. Its methods read the
// calling process, whose memory can change at any time: what they return is
// good for a report or a refusal, never for a grant.
type Call struct {
	// ID is the kernel's cookie for the notification.
	ID uint64
	// TID is the calling thread, in the supervisor's pid namespace.
	TID int
	// Arch is the AUDIT_ARCH_* value of the call.
	Arch uint32
	// Number is the call's number on that architecture.
	Number int
	Args   [6]uint64
}

// Program returns the path, inside the container, of the program that makes
// the call, and "?" where the process is gone.
func (c *Call) Program() string { return "?" }

// PID returns the process (thread group) that the calling thread is of.
func (c *Call) PID() int { return 0 }

// Bytes reads n bytes at addr of the calling process.
func (c *Call) Bytes(addr uint64, n int) ([]byte, error) { return nil, nil }

// String reads a NUL-terminated string of at most max bytes at addr.
func (c *Call) String(addr uint64, max int) (string, error) { return "", nil }

// Path reads the path at addr and makes it absolute as the calling process
// would see it: relative to dirfd (or the working folder for AT_FDCWD), "."
// and ".." resolved, symbolic links followed inside the process's root except
// in the last element. The last element need not exist.
func (c *Call) Path(dirfd int32, addr uint64) (string, error) { return "", nil }

// FD returns what descriptor fd of the calling process is, as the link in
// /proc/PID/fd says: a path, "socket:[…]", "anon_inode:…".
func (c *Call) FD(fd int32) (string, error) { return "", nil }

// Alive reports whether the call still waits, so that what was read was of
// the process that makes it and not of a later one with its number.
func (c *Call) Alive() bool { return false }
