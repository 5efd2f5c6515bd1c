package manifest

import "slices"

// CapabilityInfo is what is known of a Linux capability.
type CapabilityInfo struct {
	// Name is the kernel's, such as "CAP_CHOWN".
	Name string
	// Number is the capability's bit (linux/capability.h).
	Number int
	Level  Level
	// Meaning says in a sentence what a program with it could do.
	Meaning string
}

// Capabilities returns all capabilities of Linux, sorted by number. The caller
// may change the result.
func Capabilities() []CapabilityInfo { return slices.Clone(capabilities[:]) }

// LookupCapability returns the capability of the given name.
func LookupCapability(name string) (CapabilityInfo, bool) {
	for _, c := range capabilities {
		if c.Name == name {
			return c, true
		}
	}
	return CapabilityInfo{}, false
}

// Every capability holds inside the container's own user namespace only. What
// makes some of them special is how much of the kernel they open: code that
// was written for root and then reached by everyone (linux/capability.h).
var capabilities = [...]CapabilityInfo{
	{"CAP_CHOWN", 0, Normal, "Give files of the container to any of its users."},
	{"CAP_DAC_OVERRIDE", 1, Dangerous, "Read and change every file of the container and of what is mounted into it, whatever its mode says."},
	{"CAP_DAC_READ_SEARCH", 2, Dangerous, "Read every file of the container and of what is mounted into it, whatever its mode says."},
	{"CAP_FOWNER", 3, Dangerous, "Change the mode of files of the container that belong to other users of it."},
	{"CAP_FSETID", 4, Normal, "Keep the marks on a file that make it run as its owner."},
	{"CAP_KILL", 5, Normal, "Stop processes of the container's other users."},
	{"CAP_SETGID", 6, Normal, "Act as any group of the container."},
	{"CAP_SETUID", 7, Normal, "Act as any user of the container."},
	{"CAP_SETPCAP", 8, Dangerous, "Pass its privileges on to programs it starts."},
	{"CAP_LINUX_IMMUTABLE", 9, Dangerous, "Make files impossible to change or delete, those in mounted folders among them."},
	{"CAP_NET_BIND_SERVICE", 10, Normal, "Offer services on the well-known ports below 1024 of its network."},
	{"CAP_NET_BROADCAST", 11, Dangerous, "Listen to messages for many machines on its network."},
	{"CAP_NET_ADMIN", 12, Special, "Change routes, filters and addresses of its network, by parts of the kernel that are broken into most often."},
	{"CAP_NET_RAW", 13, Special, "Read and forge raw packets on its network, and pretend to be another machine there."},
	{"CAP_IPC_LOCK", 14, Dangerous, "Hold memory that can then not be given to anyone else."},
	{"CAP_IPC_OWNER", 15, Dangerous, "Read and change shared memory of the container's other users."},
	{"CAP_SYS_MODULE", 16, Special, "Load code into the kernel, and so own the machine."},
	{"CAP_SYS_RAWIO", 17, Special, "Talk to hardware directly, and so own the machine."},
	{"CAP_SYS_CHROOT", 18, Special, "Change what it takes for the root folder, a first step of many escapes."},
	{"CAP_SYS_PTRACE", 19, Special, "Take over every process of the container: read its secrets and make it do anything."},
	{"CAP_SYS_PACCT", 20, Special, "Write down every program that runs on the machine."},
	{"CAP_SYS_ADMIN", 21, Special, "Mount file systems and reach most of what only root may reach in the kernel; with it few walls are left."},
	{"CAP_SYS_BOOT", 22, Special, "Restart or stop the machine, or replace its kernel."},
	{"CAP_SYS_NICE", 23, Special, "Take processor time before everyone else on the machine."},
	{"CAP_SYS_RESOURCE", 24, Special, "Go beyond the bounds set for memory, disk and number of processes."},
	{"CAP_SYS_TIME", 25, Special, "Set the machine's clock, which breaks certificates, logs and timers of everything on it."},
	{"CAP_SYS_TTY_CONFIG", 26, Special, "Take over terminals, and cut others off them."},
	{"CAP_MKNOD", 27, Dangerous, "Make device files, by which hardware is reached where something else lets it."},
	{"CAP_LEASE", 28, Dangerous, "Hold up others who open a file."},
	{"CAP_AUDIT_WRITE", 29, Dangerous, "Write false entries into the machine's audit log."},
	{"CAP_AUDIT_CONTROL", 30, Special, "Switch the machine's audit log off."},
	{"CAP_SETFCAP", 31, Dangerous, "Mark files so that they run with privileges."},
	{"CAP_MAC_OVERRIDE", 32, Special, "Ignore the machine's mandatory access rules."},
	{"CAP_MAC_ADMIN", 33, Special, "Change the machine's mandatory access rules."},
	{"CAP_SYSLOG", 34, Special, "Read the kernel's log and addresses, which tell where to attack it."},
	{"CAP_WAKE_ALARM", 35, Dangerous, "Wake the machine from sleep."},
	{"CAP_BLOCK_SUSPEND", 36, Dangerous, "Keep the machine from going to sleep."},
	{"CAP_AUDIT_READ", 37, Special, "Read the machine's audit log, and so what everyone on it does."},
	{"CAP_PERFMON", 38, Special, "Watch what the processor does for other programs, from which secrets can be read."},
	{"CAP_BPF", 39, Special, "Load programs into the kernel, which have often been a way to take it over."},
	{"CAP_CHECKPOINT_RESTORE", 40, Special, "Look into and rebuild other processes of the container."},
}
