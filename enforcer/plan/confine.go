package plan

import "slices"

// capabilityNames are the names by number, from 0 (linux/capability.h).
func capabilityNames() []string {
	return []string{
		"CAP_CHOWN", "CAP_DAC_OVERRIDE", "CAP_DAC_READ_SEARCH", "CAP_FOWNER", "CAP_FSETID",
		"CAP_KILL", "CAP_SETGID", "CAP_SETUID", "CAP_SETPCAP", "CAP_LINUX_IMMUTABLE",
		"CAP_NET_BIND_SERVICE", "CAP_NET_BROADCAST", "CAP_NET_ADMIN", "CAP_NET_RAW", "CAP_IPC_LOCK",
		"CAP_IPC_OWNER", "CAP_SYS_MODULE", "CAP_SYS_RAWIO", "CAP_SYS_CHROOT", "CAP_SYS_PTRACE",
		"CAP_SYS_PACCT", "CAP_SYS_ADMIN", "CAP_SYS_BOOT", "CAP_SYS_NICE", "CAP_SYS_RESOURCE",
		"CAP_SYS_TIME", "CAP_SYS_TTY_CONFIG", "CAP_MKNOD", "CAP_LEASE", "CAP_AUDIT_WRITE",
		"CAP_AUDIT_CONTROL", "CAP_SETFCAP", "CAP_MAC_OVERRIDE", "CAP_MAC_ADMIN", "CAP_SYSLOG",
		"CAP_WAKE_ALARM", "CAP_BLOCK_SUSPEND", "CAP_AUDIT_READ", "CAP_PERFMON", "CAP_BPF",
		"CAP_CHECKPOINT_RESTORE",
	}
}

// recordedCapabilities are those that a container has while it is recorded:
// what the common engines give by default.
func recordedCapabilities() []string {
	return []string{
		"CAP_CHOWN", "CAP_DAC_OVERRIDE", "CAP_FOWNER", "CAP_FSETID", "CAP_KILL", "CAP_SETGID",
		"CAP_SETUID", "CAP_SETPCAP", "CAP_NET_BIND_SERVICE", "CAP_NET_RAW", "CAP_SYS_CHROOT",
		"CAP_MKNOD", "CAP_AUDIT_WRITE", "CAP_SETFCAP",
	}
}

// capabilities switches to the image's user and gives up every capability
// that is not granted, from the bounding set too.
func (b *builder) capabilities() error {
	const about = "giving up privileges"
	granted := recordedCapabilities()
	if b.Mode == Enforce {
		granted = nil
		for _, c := range b.Manifest.Capabilities {
			granted = append(granted, c.Name)
		}
	}
	var set uint64
	for n, name := range capabilityNames() {
		if slices.Contains(granted, name) {
			set |= 1 << n
			continue
		}
		b.do(about, "prctl", flags("PR_CAPBSET_DROP"), number(int64(n)), null(), null(), null())
	}
	id := b.plan.Identity
	// The change of ids takes capabilities away; they are set right below.
	b.do(about, "prctl", flags("PR_SET_KEEPCAPS"), number(1), null(), null(), null())
	if id.Setgroups {
		list := make([]Field, len(id.Groups))
		for i, g := range id.Groups {
			list[i] = u32("gid", number(int64(g)))
		}
		groups := null()
		if len(list) > 0 {
			groups = structure(list...)
		}
		b.do(about, "setgroups", number(int64(len(list))), groups)
	}
	uid, gid := number(int64(id.UID)), number(int64(id.GID))
	b.do(about, "setresgid", gid, gid, gid)
	b.do(about, "setresuid", uid, uid, uid)

	b.do(about, "capset", capabilityHeader(), structure(capabilitySets(set)...))
	b.do(about, "prctl", flags("PR_CAP_AMBIENT"), flags("PR_CAP_AMBIENT_CLEAR_ALL"), null(), null(), null())
	for n := range capabilityNames() {
		if set&(1<<n) != 0 {
			b.do(about, "prctl", flags("PR_CAP_AMBIENT"), flags("PR_CAP_AMBIENT_RAISE"), number(int64(n)), null(), null())
		}
	}
	return nil
}

// capabilityHeader and capabilitySets are the structures of capset(2), for a
// process that sets its own.
func capabilityHeader() Arg {
	return structure(u32("version", flags("LINUX_CAPABILITY_VERSION_3")), u32("pid", null()))
}

func capabilitySets(set uint64) []Field {
	var data []Field
	for _, shift := range []int{0, 32} {
		half := number(int64(set >> shift & (1<<32 - 1)))
		for _, kind := range []string{"effective", "permitted", "inheritable"} {
			data = append(data, u32(kind, half))
		}
	}
	return data
}
