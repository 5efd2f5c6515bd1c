package plan

// Host is what the machine and the caller's account can do, as probed.
type Host struct {
	Architecture string `json:"architecture"`
	// Kernel is the running release, such as "6.18.44".
	Kernel string `json:"kernel"`
	// UID and GID are the caller's.
	UID uint32 `json:"uid"`
	GID uint32 `json:"gid"`
	// SubUIDs and SubGIDs are the caller's subordinate ids; Container is
	// unused. Empty where there are none or newuidmap and newgidmap are
	// missing.
	SubUIDs []IDMap `json:"subUIDs,omitempty"`
	SubGIDs []IDMap `json:"subGIDs,omitempty"`
	// LandlockABI is 0 where Landlock is missing or switched off.
	LandlockABI int `json:"landlockABI"`
	// WaitKillable tells whether SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV
	// exists (Linux 5.19).
	WaitKillable bool `json:"waitKillable"`
	// Cgroup is the delegated cgroup v2 folder below which the caller may
	// make groups, or empty.
	Cgroup string `json:"cgroup,omitempty"`
	// Controllers are those delegated there, such as "memory".
	Controllers []string `json:"controllers,omitempty"`
	// Manager is the systemd that makes scopes for the caller.
	Manager Manager `json:"manager"`
	// Cgroup1 gives, by controller, the cgroup v1 folders below which the
	// caller may make groups. Only root has any.
	Cgroup1 map[string]string `json:"cgroup1,omitempty"`
	// Disks are the machine's. They are looked at only where groups can have
	// weights for them.
	Disks []Disk `json:"disks,omitempty"`
	// OpenFiles is the caller's hard limit of open files (RLIMIT_NOFILE).
	OpenFiles int64 `json:"openFiles"`
	// ResolvConf tells whether the host has an /etc/resolv.conf.
	ResolvConf bool `json:"resolvConf"`
	// Hosts is the content of the host's /etc/hosts.
	Hosts string `json:"hosts,omitempty"`
	// ProcPaths are those of the paths to mask or make read-only that
	// exist on this kernel; see [MaskedPaths] and [ReadOnlyPaths].
	ProcPaths []string `json:"procPaths,omitempty"`
}

// Manager is the systemd that makes scopes for the caller: the account's own,
// or for root that of the system.
type Manager struct {
	// Addresses are the D-Bus addresses to find it at, in the order to try.
	Addresses []string `json:"addresses,omitempty"`
	// Controllers are those that its scopes can have.
	Controllers []string `json:"controllers,omitempty"`
}

// Disk is a disk of the machine.
type Disk struct {
	Name string `json:"name"`
	// Weights names what divides its time by the weights of control groups:
	// "bfq", an I/O scheduler, "iocost", a controller, or nothing. The
	// kernel's other schedulers take no notice of weights.
	Weights string `json:"weights,omitempty"`
}

// Heeds reports whether the disk heeds the weights of such groups. What is
// called iocost is a controller of cgroup v2.
func (d Disk) Heeds(kind GroupKind) bool {
	return d.Weights == "bfq" || d.Weights == "iocost" && kind != GroupV1
}

// MaskedPaths returns the paths that are hidden, and ReadOnlyPaths those that
// are made read-only, as the OCI runtimes' defaults have them
// (moby/oci/defaults.go, containers/common/pkg/config).
func MaskedPaths() []string {
	return []string{
		"/proc/acpi", "/proc/asound", "/proc/interrupts", "/proc/kcore",
		"/proc/keys", "/proc/latency_stats", "/proc/sched_debug",
		"/proc/scsi", "/proc/timer_list", "/proc/timer_stats",
	}
}

// ReadOnlyPaths returns the paths that are made read-only; see [MaskedPaths].
// One is not in the OCI runtimes' defaults: in /proc/pressure any user can set
// the kernel to work (Linux, accounting/psi.rst).
func ReadOnlyPaths() []string {
	return []string{
		"/proc/bus", "/proc/fs", "/proc/irq", "/proc/pressure", "/proc/sys", "/proc/sysrq-trigger",
	}
}

// maskedFolders are the masked paths that are folders.
func maskedFolders() []string {
	return []string{"/proc/acpi", "/proc/asound", "/proc/scsi"}
}
