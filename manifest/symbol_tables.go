package manifest

// namespaceFlags are the flags of clone and unshare that make namespaces
// (CLONE_NEWTIME is a signal number to clone, so it is unshare's alone).
const namespaceFlags = 0x20000 | 0x2000000 | 0x4000000 | 0x8000000 | 0x10000000 | 0x20000000 | 0x40000000

// Names and values are those of the kernel's headers: linux/socket.h,
// asm-generic/ioctls.h, linux/prctl.h, linux/sched.h, linux/personality.h,
// linux/fcntl.h, linux/memfd.h. They are the same on amd64 and arm64.
var domains = [...]domain{
	{call: "socket", arg: 0, decides: true, bits: intBits, record: intBits, enumMask: intBits, enum: families[:], unknown: Dangerous},
	{call: "socket", arg: 1, bits: intBits, record: 0xf, enumMask: 0xf, enum: socketTypes[:], flags: socketFlags[:]},
	{call: "ioctl", arg: 1, decides: true, bits: intBits, record: intBits, enumMask: intBits, enum: ioctls[:], unknown: Dangerous},
	{call: "prctl", arg: 0, decides: true, bits: intBits, record: intBits, enumMask: intBits, enum: prctls[:], unknown: Dangerous},
	{call: "clone", arg: 0, decides: true, bits: intBits, record: namespaceFlags, enumMask: 0xff, enum: cloneSignals[:], flags: cloneFlags[:]},
	{call: "unshare", arg: 0, decides: true, bits: allBits, record: allBits, flags: unshareFlags[:]},
	{call: "personality", arg: 0, decides: true, bits: intBits, record: intBits, enumMask: intBits, enum: personalities[:], flags: personalityFlags[:], unknown: Dangerous},
	{call: "memfd_create", arg: 1, decides: true, bits: intBits, record: intBits, flags: memfdFlags[:],
		must: symbol{"MFD_NOEXEC_SEAL", 8, Dangerous, ""}},
	{call: "fcntl", arg: 1, bits: intBits, enumMask: intBits, enum: fcntls[:]},
	{call: "setsockopt", arg: 1, bits: intBits, enumMask: intBits, enum: socketLevels[:]},
	{call: "getsockopt", arg: 1, bits: intBits, enumMask: intBits, enum: socketLevels[:]},
}

const rareFamily = "Use a kind of network that few programs need, by parts of the kernel that often had faults."

var families = [...]symbol{
	{"AF_UNSPEC", 0, Normal, ""}, {"AF_UNIX", 1, Normal, ""},
	{"AF_INET", 2, Normal, ""}, {"AF_INET6", 10, Normal, ""},
	{"AF_NETLINK", 16, Dangerous, "Talk to the kernel about networks and devices, by parts of it that often had faults."},
	{"AF_PACKET", 17, Special, "Read and forge raw network packets, everyone else's on that network among them."},
	{"AF_VSOCK", 40, Special, "Talk to the host of a virtual machine, past every network rule."},
	{"AF_XDP", 44, Special, "Read and forge raw network packets at the level of the network card."},
	{"AF_ALG", 38, Dangerous, "Use the kernel's own cryptography, which often had faults."},
	{"AF_AX25", 3, Dangerous, rareFamily}, {"AF_IPX", 4, Dangerous, rareFamily},
	{"AF_APPLETALK", 5, Dangerous, rareFamily}, {"AF_NETROM", 6, Dangerous, rareFamily},
	{"AF_BRIDGE", 7, Dangerous, rareFamily}, {"AF_ATMPVC", 8, Dangerous, rareFamily},
	{"AF_X25", 9, Dangerous, rareFamily}, {"AF_ROSE", 11, Dangerous, rareFamily},
	{"AF_NETBEUI", 13, Dangerous, rareFamily}, {"AF_SECURITY", 14, Dangerous, rareFamily},
	{"AF_KEY", 15, Dangerous, rareFamily}, {"AF_ASH", 18, Dangerous, rareFamily},
	{"AF_ECONET", 19, Dangerous, rareFamily}, {"AF_ATMSVC", 20, Dangerous, rareFamily},
	{"AF_RDS", 21, Dangerous, rareFamily}, {"AF_SNA", 22, Dangerous, rareFamily},
	{"AF_IRDA", 23, Dangerous, rareFamily}, {"AF_PPPOX", 24, Dangerous, rareFamily},
	{"AF_WANPIPE", 25, Dangerous, rareFamily}, {"AF_LLC", 26, Dangerous, rareFamily},
	{"AF_IB", 27, Dangerous, rareFamily}, {"AF_MPLS", 28, Dangerous, rareFamily},
	{"AF_CAN", 29, Dangerous, rareFamily}, {"AF_TIPC", 30, Dangerous, rareFamily},
	{"AF_BLUETOOTH", 31, Dangerous, "Talk to Bluetooth devices nearby, by parts of the kernel that often had faults."},
	{"AF_IUCV", 32, Dangerous, rareFamily}, {"AF_RXRPC", 33, Dangerous, rareFamily},
	{"AF_ISDN", 34, Dangerous, rareFamily}, {"AF_PHONET", 35, Dangerous, rareFamily},
	{"AF_IEEE802154", 36, Dangerous, rareFamily}, {"AF_CAIF", 37, Dangerous, rareFamily},
	{"AF_NFC", 39, Dangerous, rareFamily}, {"AF_KCM", 41, Dangerous, rareFamily},
	{"AF_QIPCRTR", 42, Dangerous, rareFamily}, {"AF_SMC", 43, Dangerous, rareFamily},
	{"AF_MCTP", 45, Dangerous, rareFamily},
}

// A raw socket needs CAP_NET_RAW, which is a permission of its own; netlink
// sockets have the type as well. So the type does not decide the level.
var socketTypes = [...]symbol{
	{"SOCK_STREAM", 1, Normal, ""}, {"SOCK_DGRAM", 2, Normal, ""}, {"SOCK_RAW", 3, Normal, ""},
	{"SOCK_RDM", 4, Normal, ""}, {"SOCK_SEQPACKET", 5, Normal, ""}, {"SOCK_DCCP", 6, Normal, ""},
	{"SOCK_PACKET", 10, Normal, ""},
}

var socketFlags = [...]symbol{
	{"SOCK_NONBLOCK", 0x800, Normal, ""}, {"SOCK_CLOEXEC", 0x80000, Normal, ""},
}

var ioctls = [...]symbol{
	{"TCGETS", 0x5401, Normal, ""}, {"TCSETS", 0x5402, Normal, ""},
	{"TCSETSW", 0x5403, Normal, ""}, {"TCSETSF", 0x5404, Normal, ""},
	{"TCGETA", 0x5405, Normal, ""}, {"TCSETA", 0x5406, Normal, ""},
	{"TCSETAW", 0x5407, Normal, ""}, {"TCSETAF", 0x5408, Normal, ""},
	{"TCSBRK", 0x5409, Normal, ""}, {"TCXONC", 0x540a, Normal, ""}, {"TCFLSH", 0x540b, Normal, ""},
	{"TCGETS2", 0x802c542a, Normal, ""}, {"TCSETS2", 0x402c542b, Normal, ""},
	{"TCSETSW2", 0x402c542c, Normal, ""}, {"TCSETSF2", 0x402c542d, Normal, ""},
	{"TCSBRKP", 0x5425, Normal, ""},
	{"TIOCEXCL", 0x540c, Normal, ""}, {"TIOCNXCL", 0x540d, Normal, ""},
	{"TIOCSCTTY", 0x540e, Normal, ""}, {"TIOCNOTTY", 0x5422, Normal, ""},
	{"TIOCGPGRP", 0x540f, Normal, ""}, {"TIOCSPGRP", 0x5410, Normal, ""}, {"TIOCGSID", 0x5429, Normal, ""},
	{"TIOCOUTQ", 0x5411, Normal, ""},
	{"TIOCSTI", 0x5412, Special, "Type into the terminal it runs on, and so give commands in your name."},
	{"TIOCLINUX", 0x541c, Special, "Paste into the machine's console, and so give commands in your name."},
	{"TIOCCONS", 0x541d, Dangerous, "Take over the messages that are meant for the machine's console."},
	{"TIOCSETD", 0x5423, Dangerous, "Attach protocol drivers to a terminal, which often had faults."},
	{"TIOCGETD", 0x5424, Normal, ""},
	{"TIOCGWINSZ", 0x5413, Normal, ""}, {"TIOCSWINSZ", 0x5414, Normal, ""},
	{"TIOCMGET", 0x5415, Normal, ""}, {"TIOCMBIS", 0x5416, Normal, ""},
	{"TIOCMBIC", 0x5417, Normal, ""}, {"TIOCMSET", 0x5418, Normal, ""},
	{"TIOCGSOFTCAR", 0x5419, Normal, ""}, {"TIOCSSOFTCAR", 0x541a, Normal, ""},
	{"FIONREAD", 0x541b, Normal, ""}, {"FIONBIO", 0x5421, Normal, ""}, {"FIOASYNC", 0x5452, Normal, ""},
	{"FIONCLEX", 0x5450, Normal, ""}, {"FIOCLEX", 0x5451, Normal, ""}, {"FIOQSIZE", 0x5460, Normal, ""},
	{"TIOCPKT", 0x5420, Normal, ""}, {"TIOCSBRK", 0x5427, Normal, ""}, {"TIOCCBRK", 0x5428, Normal, ""},
	{"TIOCGPTN", 0x80045430, Normal, ""}, {"TIOCSPTLCK", 0x40045431, Normal, ""},
	{"TIOCGPTLCK", 0x80045439, Normal, ""}, {"TIOCGPTPEER", 0x5441, Normal, ""},
	{"TIOCGDEV", 0x80045432, Normal, ""}, {"TIOCSIG", 0x40045436, Normal, ""},
	{"TIOCGEXCL", 0x80045440, Normal, ""}, {"TIOCVHANGUP", 0x5437, Dangerous, "Cut off everyone who uses the terminal."},
	{"FICLONE", 0x40049409, Normal, ""}, {"FICLONERANGE", 0x4020940d, Normal, ""},
	{"FIDEDUPERANGE", 0xc0189436, Normal, ""}, {"FIBMAP", 1, Dangerous, "Learn where on the disk a file lies."},
	{"FIGETBSZ", 2, Normal, ""},
	{"FS_IOC_FIEMAP", 0xc020660b, Normal, ""}, {"FS_IOC_GETFLAGS", 0x80086601, Normal, ""},
	{"FS_IOC_SETFLAGS", 0x40086602, Dangerous, "Set a file's inner flags, such as the one that makes it impossible to change or delete."},
	{"FS_IOC_FSGETXATTR", 0x801c581f, Normal, ""},
	{"BLKGETSIZE64", 0x80081272, Normal, ""}, {"BLKSSZGET", 0x1268, Normal, ""},
	{"RNDGETENTCNT", 0x80045200, Normal, ""},
	{"SIOCGIFNAME", 0x8910, Normal, ""}, {"SIOCGIFCONF", 0x8912, Normal, ""},
	{"SIOCGIFFLAGS", 0x8913, Normal, ""}, {"SIOCGIFADDR", 0x8915, Normal, ""},
	{"SIOCGIFDSTADDR", 0x8917, Normal, ""}, {"SIOCGIFBRDADDR", 0x8919, Normal, ""},
	{"SIOCGIFNETMASK", 0x891b, Normal, ""}, {"SIOCGIFMETRIC", 0x891d, Normal, ""},
	{"SIOCGIFMTU", 0x8921, Normal, ""}, {"SIOCGIFHWADDR", 0x8927, Normal, ""},
	{"SIOCGIFINDEX", 0x8933, Normal, ""}, {"SIOCGIFTXQLEN", 0x8942, Normal, ""}, {"SIOCGIFMAP", 0x8970, Normal, ""},
	{"SIOCATMARK", 0x8905, Normal, ""}, {"SIOCGSTAMP", 0x8906, Normal, ""}, {"SIOCGSTAMPNS", 0x8907, Normal, ""},
	{"SIOCOUTQNSD", 0x894b, Normal, ""},
}

var prctls = [...]symbol{
	{"PR_SET_PDEATHSIG", 1, Normal, ""}, {"PR_GET_PDEATHSIG", 2, Normal, ""},
	{"PR_GET_DUMPABLE", 3, Normal, ""}, {"PR_SET_DUMPABLE", 4, Normal, ""},
	{"PR_GET_KEEPCAPS", 7, Normal, ""}, {"PR_SET_KEEPCAPS", 8, Normal, ""},
	{"PR_GET_TIMING", 13, Normal, ""}, {"PR_SET_TIMING", 14, Normal, ""},
	{"PR_SET_NAME", 15, Normal, ""}, {"PR_GET_NAME", 16, Normal, ""},
	{"PR_GET_SECCOMP", 21, Normal, ""}, {"PR_SET_SECCOMP", 22, Normal, ""},
	{"PR_CAPBSET_READ", 23, Normal, ""}, {"PR_CAPBSET_DROP", 24, Normal, ""},
	{"PR_GET_TSC", 25, Normal, ""}, {"PR_SET_TSC", 26, Normal, ""},
	{"PR_GET_SECUREBITS", 27, Normal, ""}, {"PR_SET_SECUREBITS", 28, Normal, ""},
	{"PR_SET_TIMERSLACK", 29, Normal, ""}, {"PR_GET_TIMERSLACK", 30, Normal, ""},
	{"PR_TASK_PERF_EVENTS_DISABLE", 31, Normal, ""}, {"PR_TASK_PERF_EVENTS_ENABLE", 32, Normal, ""},
	{"PR_MCE_KILL", 33, Normal, ""}, {"PR_MCE_KILL_GET", 34, Normal, ""},
	{"PR_SET_MM", 35, Dangerous, "Move the parts of its own memory, and so show a false name and file to whoever looks at it."},
	{"PR_SET_CHILD_SUBREAPER", 36, Normal, ""}, {"PR_GET_CHILD_SUBREAPER", 37, Normal, ""},
	{"PR_SET_NO_NEW_PRIVS", 38, Normal, ""}, {"PR_GET_NO_NEW_PRIVS", 39, Normal, ""},
	{"PR_GET_TID_ADDRESS", 40, Normal, ""},
	{"PR_SET_THP_DISABLE", 41, Normal, ""}, {"PR_GET_THP_DISABLE", 42, Normal, ""},
	{"PR_CAP_AMBIENT", 47, Normal, ""},
	{"PR_SVE_SET_VL", 50, Normal, ""}, {"PR_SVE_GET_VL", 51, Normal, ""},
	{"PR_GET_SPECULATION_CTRL", 52, Normal, ""},
	{"PR_SET_SPECULATION_CTRL", 53, Dangerous, "Switch off the protection of its memory against faults of the processor."},
	{"PR_PAC_RESET_KEYS", 54, Normal, ""},
	{"PR_SET_TAGGED_ADDR_CTRL", 55, Normal, ""}, {"PR_GET_TAGGED_ADDR_CTRL", 56, Normal, ""},
	{"PR_SET_IO_FLUSHER", 57, Dangerous, "Take memory that the kernel keeps for emergencies."}, {"PR_GET_IO_FLUSHER", 58, Normal, ""},
	{"PR_SET_SYSCALL_USER_DISPATCH", 59, Normal, ""},
	{"PR_PAC_SET_ENABLED_KEYS", 60, Normal, ""}, {"PR_PAC_GET_ENABLED_KEYS", 61, Normal, ""},
	{"PR_SCHED_CORE", 62, Normal, ""}, {"PR_SME_SET_VL", 63, Normal, ""}, {"PR_SME_GET_VL", 64, Normal, ""},
	{"PR_SET_MDWE", 65, Normal, ""}, {"PR_GET_MDWE", 66, Normal, ""},
	{"PR_SET_MEMORY_MERGE", 67, Dangerous, "Share equal memory with others, from which secrets can be read by timing."},
	{"PR_GET_MEMORY_MERGE", 68, Normal, ""},
	{"PR_GET_SHADOW_STACK_STATUS", 74, Normal, ""}, {"PR_SET_SHADOW_STACK_STATUS", 75, Normal, ""},
	{"PR_LOCK_SHADOW_STACK_STATUS", 76, Normal, ""}, {"PR_TIMER_CREATE_RESTORE_IDS", 77, Normal, ""},
	{"PR_FUTEX_HASH", 78, Normal, ""}, {"PR_RSEQ_SLICE_EXTENSION", 79, Normal, ""},
	{"PR_GET_CFI", 80, Normal, ""}, {"PR_SET_CFI", 81, Normal, ""},
	{"PR_SET_VMA", 0x53564d41, Normal, ""}, {"PR_GET_AUXV", 0x41555856, Normal, ""},
	{"PR_SET_PTRACER", 0x59616d61, Dangerous, "Let other processes of the container take it over."},
}

var cloneSignals = [...]symbol{{"SIGCHLD", 17, Normal, ""}}

const newNamespace = "Start processes in new namespaces, where it is root and reaches parts of the kernel that are closed to you."

var cloneFlags = [...]symbol{
	{"CLONE_VM", 0x100, Normal, ""}, {"CLONE_FS", 0x200, Normal, ""},
	{"CLONE_FILES", 0x400, Normal, ""}, {"CLONE_SIGHAND", 0x800, Normal, ""},
	{"CLONE_PIDFD", 0x1000, Normal, ""}, {"CLONE_PTRACE", 0x2000, Normal, ""},
	{"CLONE_VFORK", 0x4000, Normal, ""}, {"CLONE_PARENT", 0x8000, Normal, ""},
	{"CLONE_THREAD", 0x10000, Normal, ""}, {"CLONE_NEWNS", 0x20000, Special, newNamespace},
	{"CLONE_SYSVSEM", 0x40000, Normal, ""}, {"CLONE_SETTLS", 0x80000, Normal, ""},
	{"CLONE_PARENT_SETTID", 0x100000, Normal, ""}, {"CLONE_CHILD_CLEARTID", 0x200000, Normal, ""},
	{"CLONE_DETACHED", 0x400000, Normal, ""}, {"CLONE_UNTRACED", 0x800000, Normal, ""},
	{"CLONE_CHILD_SETTID", 0x1000000, Normal, ""}, {"CLONE_NEWCGROUP", 0x2000000, Special, newNamespace},
	{"CLONE_NEWUTS", 0x4000000, Special, newNamespace}, {"CLONE_NEWIPC", 0x8000000, Special, newNamespace},
	{"CLONE_NEWUSER", 0x10000000, Special, newNamespace}, {"CLONE_NEWPID", 0x20000000, Special, newNamespace},
	{"CLONE_NEWNET", 0x40000000, Special, newNamespace}, {"CLONE_IO", 0x80000000, Normal, ""},
}

const moveNamespace = "Move into new namespaces, where it is root and reaches parts of the kernel that are closed to you."

var unshareFlags = [...]symbol{
	{"CLONE_NEWTIME", 0x80, Special, moveNamespace}, {"CLONE_VM", 0x100, Normal, ""},
	{"CLONE_FS", 0x200, Normal, ""}, {"CLONE_FILES", 0x400, Normal, ""},
	{"CLONE_SIGHAND", 0x800, Normal, ""}, {"CLONE_THREAD", 0x10000, Normal, ""},
	{"CLONE_NEWNS", 0x20000, Special, moveNamespace}, {"CLONE_SYSVSEM", 0x40000, Normal, ""},
	{"CLONE_NEWCGROUP", 0x2000000, Special, moveNamespace}, {"CLONE_NEWUTS", 0x4000000, Special, moveNamespace},
	{"CLONE_NEWIPC", 0x8000000, Special, moveNamespace}, {"CLONE_NEWUSER", 0x10000000, Special, moveNamespace},
	{"CLONE_NEWPID", 0x20000000, Special, moveNamespace}, {"CLONE_NEWNET", 0x40000000, Special, moveNamespace},
}

// The value 0xffffffff asks for the personality and changes nothing.
var personalities = [...]symbol{
	{"PER_LINUX", 0, Normal, ""}, {"PER_LINUX32", 8, Normal, ""}, {"0xffffffff", 0xffffffff, Normal, ""},
}

const weakerMemory = "Switch off protections of its own memory, so that a fault in it is easier to use."

var personalityFlags = [...]symbol{
	{"UNAME26", 0x20000, Normal, ""}, {"ADDR_NO_RANDOMIZE", 0x40000, Dangerous, weakerMemory},
	{"MMAP_PAGE_ZERO", 0x100000, Dangerous, weakerMemory}, {"ADDR_COMPAT_LAYOUT", 0x200000, Dangerous, weakerMemory},
	{"READ_IMPLIES_EXEC", 0x400000, Dangerous, weakerMemory},
}

var memfdFlags = [...]symbol{
	{"MFD_CLOEXEC", 1, Normal, ""}, {"MFD_ALLOW_SEALING", 2, Normal, ""}, {"MFD_HUGETLB", 4, Normal, ""},
	{"MFD_NOEXEC_SEAL", 8, Normal, ""}, {"MFD_EXEC", 16, Normal, ""},
}

var fcntls = [...]symbol{
	{"F_DUPFD", 0, Normal, ""}, {"F_GETFD", 1, Normal, ""}, {"F_SETFD", 2, Normal, ""},
	{"F_GETFL", 3, Normal, ""}, {"F_SETFL", 4, Normal, ""}, {"F_GETLK", 5, Normal, ""},
	{"F_SETLK", 6, Normal, ""}, {"F_SETLKW", 7, Normal, ""}, {"F_SETOWN", 8, Normal, ""},
	{"F_GETOWN", 9, Normal, ""}, {"F_SETSIG", 10, Normal, ""}, {"F_GETSIG", 11, Normal, ""},
	{"F_SETOWN_EX", 15, Normal, ""}, {"F_GETOWN_EX", 16, Normal, ""},
	{"F_OFD_GETLK", 36, Normal, ""}, {"F_OFD_SETLK", 37, Normal, ""}, {"F_OFD_SETLKW", 38, Normal, ""},
	{"F_SETLEASE", 1024, Normal, ""}, {"F_GETLEASE", 1025, Normal, ""}, {"F_NOTIFY", 1026, Normal, ""},
	{"F_DUPFD_QUERY", 1027, Normal, ""}, {"F_CREATED_QUERY", 1028, Normal, ""},
	{"F_DUPFD_CLOEXEC", 1030, Normal, ""}, {"F_SETPIPE_SZ", 1031, Normal, ""}, {"F_GETPIPE_SZ", 1032, Normal, ""},
	{"F_ADD_SEALS", 1033, Normal, ""}, {"F_GET_SEALS", 1034, Normal, ""},
	{"F_GET_RW_HINT", 1035, Normal, ""}, {"F_SET_RW_HINT", 1036, Normal, ""},
	{"F_GET_FILE_RW_HINT", 1037, Normal, ""}, {"F_SET_FILE_RW_HINT", 1038, Normal, ""},
}

var socketLevels = [...]symbol{
	{"SOL_IP", 0, Normal, ""}, {"SOL_SOCKET", 1, Normal, ""}, {"SOL_TCP", 6, Normal, ""},
	{"SOL_UDP", 17, Normal, ""}, {"SOL_IPV6", 41, Normal, ""}, {"SOL_ICMPV6", 58, Normal, ""},
	{"SOL_RAW", 255, Normal, ""}, {"SOL_PACKET", 263, Normal, ""}, {"SOL_NETLINK", 270, Normal, ""},
	{"SOL_TLS", 282, Normal, ""}, {"SOL_MPTCP", 284, Normal, ""}, {"SOL_VSOCK", 287, Normal, ""},
}
