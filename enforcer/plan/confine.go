package plan

import (
	"fmt"
	"path"
	"slices"

	"github.com/least-privilege/lpm/manifest"
)

// maxPortRules bounds the ports that Landlock is given one by one.
const maxPortRules = 4096

// The Landlock ABI that brought a right (landlock(7)).
const (
	abiRefer  = 2
	abiTCP    = 4
	abiScoped = 6
)

// landlock restricts which programs can be executed, which paths read where
// the manifest narrows them, and which TCP ports used on the host's network.
func (b *builder) landlock() error {
	abi := b.Host.LandlockABI
	if b.Mode == Record {
		b.scope(abi)
		return nil
	}
	if abi == 0 {
		b.unenforced("the list of programs: the kernel has no Landlock")
		return nil
	}
	fs, net := b.fsRights(abi), b.netRights(abi)
	if len(fs) == 0 && len(net) == 0 && abi < abiScoped {
		return nil
	}
	const about = "restricting with Landlock"
	attr := []Field{u64("handled_access_fs", orNull(fs))}
	if abi >= abiTCP {
		attr = append(attr, u64("handled_access_net", orNull(net)))
	}
	if abi >= abiScoped {
		attr = append(attr, u64("scoped", flags("LANDLOCK_SCOPE_ABSTRACT_UNIX_SOCKET", "LANDLOCK_SCOPE_SIGNAL")))
	} else if b.networkMode() == manifest.NetworkHost {
		b.unenforced("the abstract Unix sockets of the host, which are reached through its network: Landlock's ABI is %d, %d is needed", abi, abiScoped)
	}
	ruleset := b.open(about, "landlock_create_ruleset", structure(attr...), size(structure(attr...)), null())
	if err := b.fsRules(ruleset, fs); err != nil {
		return err
	}
	if len(net) > 0 {
		b.netRules(ruleset)
	}
	b.do(about, "landlock_restrict_self", ruleset, null())
	b.do(about, "close", ruleset)
	return nil
}

// scope keeps a container that is recorded, on the host's network, from the
// abstract Unix sockets of the host. Everything else is to be watched.
func (b *builder) scope(abi int) {
	if abi < abiScoped {
		return
	}
	const about = "restricting with Landlock"
	attr := structure(u64("handled_access_fs", null()), u64("handled_access_net", null()),
		u64("scoped", flags("LANDLOCK_SCOPE_ABSTRACT_UNIX_SOCKET", "LANDLOCK_SCOPE_SIGNAL")))
	ruleset := b.open(about, "landlock_create_ruleset", attr, size(attr), null())
	b.do(about, "landlock_restrict_self", ruleset, null())
	b.do(about, "close", ruleset)
}

func orNull(names []string) Arg {
	if len(names) == 0 {
		return null()
	}
	return flags(names...)
}

const (
	rightExecute  = "LANDLOCK_ACCESS_FS_EXECUTE"
	rightReadFile = "LANDLOCK_ACCESS_FS_READ_FILE"
	rightReadDir  = "LANDLOCK_ACCESS_FS_READ_DIR"
	rightRefer    = "LANDLOCK_ACCESS_FS_REFER"
	rightBind     = "LANDLOCK_ACCESS_NET_BIND_TCP"
	rightConnect  = "LANDLOCK_ACCESS_NET_CONNECT_TCP"
)

// fsRights are the rights over files that are taken away in general and given
// back path by path.
func (b *builder) fsRights(abi int) []string {
	var rights []string
	if !b.anyProgram() {
		rights = append(rights, rightExecute)
	}
	if len(b.Manifest.Filesystem.Readable) > 0 {
		rights = append(rights, rightReadFile, rightReadDir)
	}
	// Any rule about files forbids renames from one folder to another,
	// unless they are given back; before ABI 2 they stay forbidden.
	if len(rights) > 0 && abi >= abiRefer {
		rights = append(rights, rightRefer)
	}
	return rights
}

func (b *builder) netRights(abi int) []string {
	if b.networkMode() != manifest.NetworkHost {
		return nil
	}
	if b.usesUDP() {
		b.unenforced("the UDP ports of network: Landlock knows TCP only, so that on the host's network UDP is open as a whole")
	}
	if abi < abiTCP {
		b.unenforced("the ports of network: Landlock's ABI is %d, %d is needed", abi, abiTCP)
		return nil
	}
	return []string{rightBind, rightConnect}
}

// fsRules gives the rights back.
func (b *builder) fsRules(ruleset Arg, handled []string) error {
	if slices.Contains(handled, rightRefer) {
		b.pathRule(ruleset, "/", rightRefer)
	}
	rules := map[string][]string{}
	add := func(p string, rights ...string) {
		for _, r := range rights {
			if slices.Contains(handled, r) && !slices.Contains(rules[p], r) {
				rules[p] = append(rules[p], r)
			}
		}
	}
	for p := range b.granted() {
		if p != manifest.AnyProgram {
			add(p, rightExecute, rightReadFile)
		}
	}
	for _, r := range b.Manifest.Filesystem.Readable {
		f := b.fact(r.Path)
		if !f.Exists {
			return fmt.Errorf("the manifest reads %q, which this image does not have", r.Path)
		}
		add(f.Real, rightReadFile)
		if f.Dir {
			add(f.Real, rightReadDir)
		}
	}
	for _, p := range []string{"/proc", "/dev"} {
		add(p, rightReadFile, rightReadDir)
	}
	if b.Places.Localtime != "" {
		add(path.Join(b.real("/etc"), "localtime"), rightReadFile)
	}
	for _, w := range b.Manifest.Filesystem.Writable {
		add(b.real(w.Path), rightReadFile, rightReadDir)
	}
	for _, m := range b.Manifest.Mounts {
		add(b.real(m.Path), rightReadFile, rightReadDir)
	}
	paths := make([]string, 0, len(rules))
	for p := range rules {
		paths = append(paths, p)
	}
	slices.Sort(paths)
	for _, p := range paths {
		b.pathRule(ruleset, p, rules[p]...)
	}
	return nil
}

// pathRule adds a rule for a path and all below it. The rule holds the inode,
// so that the path is opened where the program will find it, through the
// overlay.
func (b *builder) pathRule(ruleset Arg, p string, rights ...string) {
	about := "allowing " + p
	f := b.at(about, p)
	b.do(about, "landlock_add_rule", ruleset, flags("LANDLOCK_RULE_PATH_BENEATH"),
		structure(u64("allowed_access", flags(rights...)), u32("parent_fd", f)), null())
	b.do(about, "close", f)
}

// netRules allows the manifest's TCP ports.
func (b *builder) netRules(ruleset Arg) {
	// Port 0 lets the kernel choose the port of a socket that will connect;
	// listening on it is the supervisor's to refuse.
	rules := map[uint16][]string{0: {rightBind}}
	n := b.Manifest.Network
	for _, l := range n.Listen {
		if l.Protocol == manifest.TCP {
			rules[l.Port] = append(rules[l.Port], rightBind)
		}
	}
	for _, e := range n.Egress {
		if e.Protocol != manifest.TCP {
			continue
		}
		for _, r := range e.Ports {
			for port := int(r.From); port <= int(r.To); port++ {
				if !slices.Contains(rules[uint16(port)], rightConnect) {
					rules[uint16(port)] = append(rules[uint16(port)], rightConnect)
				}
			}
		}
	}
	if len(rules) > maxPortRules {
		b.unenforced("the %d ports of network.egress: Landlock would need a rule for each, and the bound is %d", len(rules), maxPortRules)
	}
	ports := make([]int, 0, len(rules))
	for p := range rules {
		ports = append(ports, int(p))
	}
	slices.Sort(ports)
	for _, p := range ports[:min(len(ports), maxPortRules)] {
		b.do("allowing a port", "landlock_add_rule", ruleset, flags("LANDLOCK_RULE_NET_PORT"),
			structure(u64("allowed_access", flags(rules[uint16(p)]...)), u64("port", number(int64(p)))), null())
	}
}

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
