package confine

import (
	"fmt"
	"os"
	"strconv"
	"syscall"
	"unsafe"

	"golang.org/x/sys/unix"
)

// attempt is something that a process could try.
type attempt struct {
	name string
	try  func() error
	// needed says that a network process needs it.
	needed bool
	// free is what comes of it without a wall, by the name of the error or "OK";
	// empty where that depends on the machine.
	free string
	// landlock is what comes of it with Landlock of a version, or of a later one.
	landlock string
	abi      int
}

func attempts() []attempt {
	list := append(fileAttempts(), processAttempts()...)
	list = append(list, socketAttempts()...)
	return append(list, neededAttempts()...)
}

func call(number uintptr, args ...uintptr) error {
	var a [6]uintptr
	copy(a[:], args)
	if _, _, errno := unix.Syscall6(number, a[0], a[1], a[2], a[3], a[4], a[5]); errno != 0 {
		return errno
	}
	return nil
}

// closing closes what was opened.
func closing(fd int, err error) error {
	if err == nil {
		unix.Close(fd)
	}
	return err
}

func open(path string, flags int) func() error {
	return func() error { return closing(unix.Open(path, flags|unix.O_CLOEXEC, 0o600)) }
}

func fileAttempts() []attempt {
	// Each thread has a file of its own.
	own := func() string { return "thread-" + strconv.Itoa(unix.Gettid()) }
	return []attempt{
		{name: "read a file", try: open("/etc/passwd", unix.O_RDONLY), free: "OK", landlock: "EACCES", abi: 1},
		{name: "read the hosts", try: open("/etc/hosts", unix.O_RDONLY), free: "OK", landlock: "EACCES", abi: 1},
		{name: "read a directory", try: open("/", unix.O_RDONLY|unix.O_DIRECTORY), free: "OK", landlock: "EACCES", abi: 1},
		{name: "write a device", try: open("/dev/null", unix.O_WRONLY), free: "OK", landlock: "EACCES", abi: 1},
		{name: "make a file", try: func() error { return open(own(), unix.O_CREAT|unix.O_WRONLY)() }, free: "OK", landlock: "EACCES", abi: 1},
		{name: "make a folder", try: func() error { return unix.Mkdir(own()+".d", 0o700) }, free: "OK", landlock: "EACCES", abi: 1},
		{name: "make a link", try: func() error { return unix.Symlink("/", own()+".l") }, free: "OK", landlock: "EACCES", abi: 1},
		{name: "make a FIFO", try: func() error { return unix.Mkfifo(own()+".p", 0o600) }, free: "OK", landlock: "EACCES", abi: 1},
		{name: "remove a folder", try: func() error { return unix.Rmdir("nothing") }},
		{name: "change a mode", try: func() error { return unix.Chmod(".", 0o700) }, free: "OK"},
		{name: "change an attribute", try: func() error { return unix.Setxattr(".", "user.a", []byte("b"), 0) }},
		{name: "cut a file off", try: func() error { return unix.Truncate("/dev/null", 0) }, free: "EINVAL"},
		{name: "open by openat2", try: func() error {
			return closing(unix.Openat2(unix.AT_FDCWD, "/etc/passwd", &unix.OpenHow{Flags: unix.O_CLOEXEC}))
		}, free: "OK", landlock: "EACCES", abi: 1},
		{name: "change the folder", try: func() error { return unix.Chdir(".") }, free: "OK"},
		{name: "mount", try: func() error { return unix.Mount("none", "nothing", "tmpfs", 0, "") }},
		{name: "unmount", try: func() error { return unix.Unmount("nothing", 0) }},
		{name: "make a mount by fsopen", try: func() error { return closing(unix.Fsopen("tmpfs", unix.FSOPEN_CLOEXEC)) }},
		{name: "make memory a file", try: func() error { return closing(unix.MemfdCreate("a", unix.MFD_CLOEXEC)) }, free: "OK"},
	}
}

func processAttempts() []attempt {
	parent := unix.Getppid()
	nothing, _ := unix.BytePtrFromString("nothing")
	return []attempt{
		{name: "execute", try: func() error { return unix.Exec("/nothing", nil, nil) }, free: "ENOENT"},
		{name: "execute a folder", try: func() error {
			return call(unix.SYS_EXECVEAT, ^uintptr(99), uintptr(unsafe.Pointer(nothing)), 0, 0, 0)
		}, free: "ENOENT"},
		{name: "signal the parent", try: func() error { return unix.Kill(parent, 0) }, free: "OK", landlock: "EPERM", abi: 6},
		{name: "signal a thread of the parent", try: func() error { return unix.Tgkill(parent, parent, 0) }, free: "OK", landlock: "EPERM", abi: 6},
		{name: "have the parent signalled", try: func() error {
			_, err := unix.FcntlInt(0, unix.F_SETOWN, parent)
			return err
		}, free: "OK"},
		{name: "open the parent", try: func() error { return closing(unix.PidfdOpen(parent, 0)) }, free: "OK"},
		{name: "trace the parent", try: func() error { return call(unix.SYS_PTRACE, unix.PTRACE_PEEKDATA, uintptr(parent), 0, 0) }},
		{name: "read the parent's memory", try: func() error { return call(unix.SYS_PROCESS_VM_READV, uintptr(parent)) }},
		{name: "write the parent's memory", try: func() error { return call(unix.SYS_PROCESS_VM_WRITEV, uintptr(parent)) }},
		{name: "change the parent's limits", try: func() error { return unix.Prlimit(parent, unix.RLIMIT_NOFILE, nil, new(unix.Rlimit)) }, free: "OK"},
		{name: "make a process", try: func() error { return call(unix.SYS_CLONE, unix.CLONE_NEWUSER|unix.CLONE_FS) }, free: "EINVAL"},
		{name: "make a process by clone3", try: func() error { return call(unix.SYS_CLONE3, 0, 0) }, free: "EINVAL"},
		{name: "make a namespace", try: func() error { return unix.Unshare(0) }, free: "OK"},
		{name: "enter a namespace", try: func() error { return unix.Setns(-1, 0) }, free: "EBADF"},
		{name: "make io_uring", try: func() error { return call(unix.SYS_IO_URING_SETUP, 0, 0) }},
		{name: "load BPF", try: func() error { return call(unix.SYS_BPF, 1<<20, 0, 0) }},
		{name: "measure", try: func() error { return call(unix.SYS_PERF_EVENT_OPEN, 0, 0, 0, 0, 0) }},
		{name: "use a keyring", try: func() error { return call(unix.SYS_KEYCTL, 1<<20) }},
		{name: "handle page faults", try: func() error { return call(unix.SYS_USERFAULTFD, 1<<20) }},
		{name: "change the user", try: func() error { return call(unix.SYS_SETRESUID, ^uintptr(0), ^uintptr(0), ^uintptr(0)) }, free: "OK"},
		{name: "map executable memory", try: func() error {
			return call(unix.SYS_MMAP, 0, 4096, unix.PROT_READ|unix.PROT_EXEC, unix.MAP_PRIVATE|unix.MAP_ANON, ^uintptr(0), 0)
		}, free: "OK"},
		{name: "make memory executable", try: func() error { return call(unix.SYS_MPROTECT, 0, 0, unix.PROT_READ|unix.PROT_EXEC) }, free: "OK"},
		{name: "ask whether it is dumpable", try: func() error {
			n, _, errno := unix.Syscall6(unix.SYS_PRCTL, unix.PR_GET_DUMPABLE, 0, 0, 0, 0, 0)
			if errno != 0 {
				return errno
			}
			return fmt.Errorf("dumpable %d", n)
		}},
	}
}

// privileged is what takes a capability.
func privileged(network string) attempt {
	kind := map[string]int{"udp": unix.SOCK_DGRAM, "tcp": unix.SOCK_STREAM}[network]
	return attempt{name: "bind a port of root's by " + network, try: func() error { return bind(kind, 1) }}
}

// listening takes none.
func listening() attempt {
	return attempt{name: "bind another port", try: func() error { return bind(unix.SOCK_STREAM, 0) }}
}

// bind binds a socket at an address of the thread's own.
func bind(kind, port int) error {
	fd, err := unix.Socket(unix.AF_INET, kind|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return err
	}
	defer unix.Close(fd)
	own := unix.Gettid()
	return unix.Bind(fd, &unix.SockaddrInet4{Addr: [4]byte{127, 1 + byte(own>>16), byte(own >> 8), byte(own)}, Port: port})
}

func socket(domain, kind, protocol int) func() error {
	return func() error { return closing(unix.Socket(domain, kind|unix.SOCK_CLOEXEC, protocol)) }
}

func socketAttempts() []attempt {
	return []attempt{
		{name: "make a Unix socket", try: socket(unix.AF_UNIX, unix.SOCK_STREAM, 0), free: "OK"},
		{name: "make a pair of Unix sockets", try: func() error {
			pair, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
			if err == nil {
				unix.Close(pair[0])
				unix.Close(pair[1])
			}
			return err
		}, free: "OK"},
		{name: "make a raw socket", try: socket(unix.AF_INET, unix.SOCK_RAW, unix.IPPROTO_ICMP)},
		{name: "make a packet socket", try: socket(unix.AF_PACKET, unix.SOCK_RAW, 0)},
		{name: "make a socket to virtual machines", try: socket(unix.AF_VSOCK, unix.SOCK_STREAM, 0)},
		{name: "make a socket for algorithms", try: socket(unix.AF_ALG, unix.SOCK_SEQPACKET, 0)},
		{name: "hear of devices", try: socket(unix.AF_NETLINK, unix.SOCK_RAW, unix.NETLINK_KOBJECT_UEVENT), free: "OK"},
		{name: "ask about netfilter", try: socket(unix.AF_NETLINK, unix.SOCK_RAW, unix.NETLINK_NETFILTER)},
		{name: "ask a device", try: func() error {
			_, err := unix.IoctlGetInt(0, unix.TIOCOUTQ)
			return err
		}, free: "ENOTTY"},
	}
}

func neededAttempts() []attempt {
	return []attempt{
		{name: "see that a file has changed", needed: true, free: "OK", try: func() error {
			_, err := os.Stat("/etc/hosts")
			return err
		}},
		{name: "signal itself", needed: true, free: "OK", try: func() error { return unix.Tgkill(unix.Getpid(), unix.Gettid(), 0) }},
		{name: "connect", needed: true, free: "OK", try: connect},
		{name: "make a socket for datagrams", needed: true, free: "OK", try: socket(unix.AF_INET6, unix.SOCK_DGRAM, 0)},
		{name: "ask for addresses", needed: true, free: "OK", try: addresses},
		{name: "make a thread", needed: true, free: "OK", try: thread},
		{name: "make memory", needed: true, free: "OK", try: func() error {
			b, err := unix.Mmap(-1, 0, 4096, unix.PROT_READ|unix.PROT_WRITE, unix.MAP_PRIVATE|unix.MAP_ANON)
			if err != nil {
				return err
			}
			return unix.Munmap(b)
		}},
	}
}

// connect connects to what listens in the parent.
func connect() error {
	port, err := strconv.Atoi(os.Getenv(portVariable))
	if err != nil {
		return err
	}
	fd, err := unix.Socket(unix.AF_INET, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return err
	}
	defer unix.Close(fd)
	return unix.Connect(fd, loopback(port))
}

// addresses asks the kernel for the machine's addresses, as package net does.
func addresses() error {
	b, err := syscall.NetlinkRIB(unix.RTM_GETADDR, unix.AF_UNSPEC)
	if err == nil && len(b) == 0 {
		return unix.ENODATA
	}
	return err
}

// thread has the runtime make a thread, for this one is locked.
func thread() error {
	done := make(chan struct{})
	go close(done)
	<-done
	return nil
}
