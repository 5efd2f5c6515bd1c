package enforcer_test

import (
	"testing"

	"golang.org/x/sys/unix"

	"github.com/least-privilege/lpm/manifest"
)

// socketAttacks make sockets that most programs have no use for.
func socketAttacks() []attack {
	return []attack{
		{
			name: "af_alg", source: "CVE-2019-8912, CVE-2011-4081", tries: "has the kernel compute a hash by a socket",
			base: families, grant: family("AF_ALG"),
		},
		{
			name: "netlink", source: "netlink(7); CVE-2022-34918, CVE-2023-3390", tries: "asks for the network's interfaces",
			base: families, grant: family("AF_NETLINK"),
		},
		{
			name: "packet_socket", source: "packet(7); CVE-2020-14386, CVE-2017-7308", tries: "reads what others send",
			base: families, grant: both(family("AF_PACKET"), capability("CAP_NET_RAW")),
		},
		{
			name: "raw_socket", source: "raw(7); CVE-2017-17712", tries: "sends a packet that it has made itself",
			base: families, grant: capability("CAP_NET_RAW"),
		},
		{
			name: "socket_families", source: "CVE-2021-43267, CVE-2009-2692, CVE-2010-3904", tries: "makes a socket of any rare family",
			base: families, grant: calls("socket"),
		},
	}
}

// entryAttacks come into the kernel by another door, or change the door.
func entryAttacks() []attack {
	return []attack{
		{
			name: "x32", source: "seccomp(2), NOTES; CVE-2009-0835", tries: "makes a call by its x32 number",
			dies: "SIGSYS", plain: "SUCCEEDED",
		},
		{
			name: "int80", source: "seccomp(2), NOTES; CVE-2009-0835", tries: "makes a call through the 32-bit entry of the kernel",
			dies: "SIGSYS", plain: "SUCCEEDED",
		},
		{
			name: "vsyscall", source: "seccomp(2), CAVEATS; Linux, seccomp_filter.rst", tries: "makes a call through the kernel's page for old programs",
			grant: calls("time"),
		},
		{
			name: "personality_exec", source: "personality(2)", tries: "has all that can be read executable",
			base: asksPersonality, grant: calls("personality"),
		},
		{
			name: "personality_random", source: "personality(2)", tries: "switches the randomization of addresses off",
			base: asksPersonality, grant: calls("personality"),
		},
		{
			name: "modify_ldt", source: "modify_ldt(2); CVE-2015-3290", tries: "makes a segment of its own",
			grant: calls("modify_ldt"),
		},
	}
}

// asksPersonality grants what programs ask of personality, as engines do.
func asksPersonality(m *manifest.Manifest) {
	m.Syscalls.Allow = append(m.Syscalls.Allow, manifest.Syscall{
		Name: "personality", When: []manifest.Condition{{Arg: 0, OneOf: []string{"0x0", "0xffffffff"}}},
	})
}

// machineAttacks administer the machine.
func machineAttacks() []attack {
	vain := func(name, tries, capable string, names ...string) attack {
		a := attack{name: name, source: name + "(2)", tries: tries, grant: calls(append(names, name)...), never: hostsOwn}
		if capable != "" {
			a.grant = both(a.grant, capability(capable))
		}
		return a
	}
	reboot := vain("reboot", "restarts the machine: its pid namespace, which is the container", "CAP_SYS_BOOT")
	reboot.never = ""
	reboot.setup = func(*testing.T, *lab) ([]string, func(outcome) bool) {
		// The kernel ends the namespace's first process so (reboot(2)).
		return nil, func(o outcome) bool { return o.Code == 128+int(unix.SIGHUP) }
	}
	hostname := vain("sethostname", "changes the host's name: the container's", "CAP_SYS_ADMIN")
	hostname.never = ""
	hostname.setup = sameHostname
	quota := vain("quotactl", "switches quotas off", "CAP_SYS_ADMIN", "quotactl_fd")
	return []attack{
		vain("kexec_load", "has the machine boot another kernel", "CAP_SYS_BOOT"),
		vain("kexec_file_load", "has the machine boot another kernel, from a file", "CAP_SYS_BOOT"),
		vain("init_module", "loads a kernel module", "CAP_SYS_MODULE"),
		vain("finit_module", "loads a kernel module from a file", "CAP_SYS_MODULE"),
		vain("iopl", "gives itself all ports of the machine's devices", "CAP_SYS_RAWIO"),
		vain("ioperm", "gives itself a port of the machine's devices", "CAP_SYS_RAWIO"),
		vain("acct", "has every end of a process on the host recorded", "CAP_SYS_PACCT"),
		vain("swapon", "gives the host a file to swap memory to", "CAP_SYS_ADMIN"),
		vain("settimeofday", "sets the machine's clock", "CAP_SYS_TIME"),
		vain("clock_adjtime", "sets the machine's clock's error", "CAP_SYS_TIME"),
		vain("lookup_dcookie", "asks for the path of a profile's number", "CAP_SYS_ADMIN"),
		reboot, hostname, quota,
		{
			name: "syslog", source: "syslog(2)", tries: "reads the kernel's log",
			grant: calls("syslog"), unless: sysctl("kernel/dmesg_restrict", 0, 0),
		},
	}
}

// memoryAttacks are about where memory is, and who shares it.
func memoryAttacks() []attack {
	return []attack{
		{
			name: "move_pages", source: "move_pages(2); CVE-2010-0415", tries: "asks where in the machine a page is",
			grant: calls("move_pages"),
		},
		{
			name: "migrate_pages", source: "migrate_pages(2)", tries: "has all its memory moved",
			grant: calls("migrate_pages"),
		},
		{
			name: "mbind", source: "mbind(2); CVE-2018-10675", tries: "binds a page to a part of the machine's memory",
			grant: calls("mbind"),
		},
		{
			name: "memory_map", source: "prctl(2), PR_SET_MM", tries: "changes what the kernel takes for the parts of its memory",
			grant: capability("CAP_SYS_RESOURCE"), never: hostsOwn,
		},
		{
			name: "poison_page", source: "madvise(2), MADV_SOFT_OFFLINE", tries: "has the machine give up a page of its memory",
			grant: capability("CAP_SYS_ADMIN"), never: hostsOwn,
		},
		{
			name: "sysv_memory", source: "sysvipc(7), ipc_namespaces(7)", tries: "attaches shared memory of the host",
			plain: "SUCCEEDED",
			setup: func(t *testing.T, _ *lab) ([]string, func(outcome) bool) { return []string{sharedMemory(t)}, nil },
		},
		{
			name: "message_queue", source: "mq_overview(7), ipc_namespaces(7)", tries: "opens a message queue of the host",
			base: calls("mq_open"), plain: "SUCCEEDED",
			setup: func(t *testing.T, _ *lab) ([]string, func(outcome) bool) { return []string{messageQueue(t)}, nil },
		},
	}
}

// filterAttacks are aimed at what holds the container itself.
func filterAttacks() []attack {
	other := program("/bin/unshare_user")
	return []attack{
		{
			name: "seccomp_listener", source: "seccomp_unotify(2)", tries: "answers calls in the place of lpm",
			base: calls("seccomp"), plain: "SUCCEEDED",
		},
		{
			name: "seccomp_allow", source: "seccomp(2)", tries: "allows everything by a filter of its own",
			base: calls("seccomp"), plain: "SUCCEEDED",
		},
		{
			name: "landlock_widen", source: "landlock(7)", tries: "allows every program by rules of its own",
			base: calls("landlock_create_ruleset", "landlock_add_rule", "landlock_restrict_self"), grant: other,
		},
		{
			name: "undumpable", source: "prctl(2), PR_SET_DUMPABLE", tries: "executes what the supervisor cannot read the name of",
			grant: other,
		},
		{
			name: "no_new_privs", source: "prctl(2), PR_SET_NO_NEW_PRIVS", tries: "takes back that programs give it no privileges",
			plain: "SUCCEEDED",
		},
	}
}
