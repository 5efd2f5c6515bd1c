package plan

import (
	"fmt"
	"maps"
	"path"
	"slices"
	"strings"

	"github.com/least-privilege/lpm/manifest"
)

// Landlock is what Landlock does in a launch.
//
// It is the only wall around programs, narrowed reading, TCP ports on the
// host's network and the host's abstract sockets; where it cannot hold these
// the plan is refused (see [Plan.Unenforced]). Around everything else it is the
// second one, behind mounts and namespaces: what is written, made, removed and
// renamed, what is asked of devices, who is sent signals. It does not know
// chmod, chown, utime, setxattr and mount_setattr; those rest on the mounts.
type Landlock struct {
	// ABI is the version that the kernel has, 0 for none.
	ABI int `json:"abi"`
	// Uses are the rights that are taken away in general, and given back by
	// rules for what the manifest grants, with the scopes and flags; by the
	// kernel's names.
	Uses []string `json:"uses,omitempty"`
	// Missing is what would be used and the kernel does not know, where it is
	// the second wall.
	Missing []LandlockRight `json:"missing,omitempty"`
	// NoFiles says why there are no rules about files; empty where there are.
	NoFiles string `json:"noFiles,omitempty"`
}

// Lines says it to a person: the version, and what is left to the first wall
// alone.
func (l Landlock) Lines() []string {
	lines := []string{fmt.Sprintf("ABI %d", l.ABI)}
	if l.ABI == 0 {
		return []string{"none: what is written, made and asked of devices rests on the mounts alone"}
	}
	if len(l.Missing) > 0 {
		missing := make([]string, len(l.Missing))
		for i, r := range l.Missing {
			missing[i] = r.String()
		}
		lines = append(lines, "left to mounts and namespaces alone: "+strings.Join(missing, ", "))
	}
	if l.NoFiles != "" {
		lines = append(lines, "no rules about files: "+l.NoFiles)
	}
	return lines
}

// landlock takes away what Landlock can, and gives back what the manifest
// grants.
func (b *builder) landlock() error {
	l := &b.plan.Landlock
	l.ABI = b.Host.LandlockABI
	wanted, why := b.landlockWants()
	l.NoFiles = why
	var missing []LandlockRight
	l.Uses, missing = splitByABI(wanted, l.ABI)
	for _, r := range missing {
		// Before there was a flag against it, nothing was logged.
		if r.Name != logNoSubdomains && b.onlyWall(r) == "" {
			l.Missing = append(l.Missing, r)
		}
	}
	b.sayUnenforced(missing)
	b.sayReopened()
	return b.restrict(l.Uses)
}

// landlockWants returns all that this plan has a use for, whatever the kernel
// knows of it, and why there is nothing about files among it.
func (b *builder) landlockWants() (wanted []string, noFiles string) {
	// A program may make Landlock domains of its own, and what those refuse
	// would go to the host's audit log, as often as the program likes.
	wanted = []string{scopeAbstract, scopeSignal, logNoSubdomains}
	if b.joins {
		// Its domain is beside that of the container's others, and a health
		// check may end the program that it finds sick. Who is outside of the
		// container it cannot name.
		wanted = slices.DeleteFunc(wanted, func(w string) bool { return w == scopeSignal })
	}
	if b.Mode == Record {
		return wanted, "what a recorded program does is watched, and not refused"
	}
	wanted = append(wanted, b.netRights()...)
	if call := b.mountsInside(); call != "" {
		return wanted, "the manifest grants " + call + " and every program, and rules about files would forbid all mounts"
	}
	if !b.anyProgram() {
		wanted = append(wanted, rightExecute)
	}
	if len(b.Manifest.Filesystem.Readable) > 0 {
		wanted = append(wanted, readRights()...)
	}
	wanted = append(wanted, writeRights()...)
	// No container gets to make nodes of devices. The kernel lets it make
	// one in a user namespace, the whiteout of overlays, which is of no use
	// to whoever cannot mount.
	return append(wanted, rightMakeChar, rightMakeBlock, rightIoctlDev), ""
}

// readRights are the rights of whoever reads a folder and what is in it.
func readRights() []string { return []string{rightReadFile, rightReadDir} }

// writeRights are the rights of whoever may change a folder.
func writeRights() []string {
	return []string{
		rightWriteFile, rightTruncate, rightRemoveDir, rightRemoveFile, rightMakeDir, rightMakeReg,
		rightMakeSock, rightMakeFifo, rightMakeSym, rightRefer,
	}
}

// mountsInside returns a granted call that changes mounts, which are refused
// to everyone who has rules about files (hook_sb_mount and its neighbours in
// security/landlock/fs.c). It is "" where there have to be such rules: for a
// list of programs, for narrowed reading, and against a container with
// CAP_SYS_ADMIN, which can take the read-only flag off the very mounts that
// are the first wall. One that has to make a user namespace for that cannot:
// there the flags are locked (mount_namespaces(7)).
func (b *builder) mountsInside() string {
	if b.admin() || !b.grants("unshare") || !b.anyProgram() || len(b.Manifest.Filesystem.Readable) > 0 {
		return ""
	}
	for _, call := range []string{"mount", "move_mount", "pivot_root", "umount2"} {
		if b.grants(call) {
			return call
		}
	}
	return ""
}

func (b *builder) admin() bool {
	return slices.ContainsFunc(b.Manifest.Capabilities, func(c manifest.Capability) bool { return c.Name == "CAP_SYS_ADMIN" })
}

// takesFlags reports whether the container can take the read-only flag off
// mounts: Landlock refuses every call for that but mount_setattr. What it
// refuses to be written to is then all that keeps them.
func (b *builder) takesFlags() bool {
	return b.Mode == Enforce && b.admin() && b.grants("mount_setattr")
}

// sayReopened notes the read-only mounts that Landlock does not keep: its rules
// for a folder hold for all that is mounted below.
func (b *builder) sayReopened() {
	if !b.takesFlags() {
		return
	}
	writable := []string{"/dev/shm"}
	for _, w := range b.Manifest.Filesystem.Writable {
		writable = append(writable, b.real(w.Path))
	}
	for _, m := range b.Manifest.Mounts {
		if m.Write {
			writable = append(writable, b.real(m.Path))
		}
	}
	for _, m := range b.Manifest.Mounts {
		p := b.real(m.Path)
		i := slices.IndexFunc(writable, func(w string) bool { return strings.HasPrefix(p, strings.TrimSuffix(w, "/")+"/") })
		if !m.Write && i >= 0 {
			b.unenforced("the read-only mount at %s: it is below %s, which can be written to, and CAP_SYS_ADMIN with mount_setattr takes the flag off", m.Path, writable[i])
		}
	}
}

// netRights are the rights over ports. Where there is no network, there is
// nobody to bind before or to connect to but the container itself, and programs
// that talk to themselves there are common, so that its ports stay open. On a
// private network the ports to connect to are not for Landlock to choose, which
// takes them all away where connections are handed over, and those to bind with
// them: what is handed over is of the host's network, and knows no other.
func (b *builder) netRights() []string {
	switch {
	case b.networkMode() == manifest.NetworkNone:
		return nil
	case b.private() && !b.plan.Network.Handover, !b.private() && b.everyPort():
		return []string{rightBind}
	}
	return []string{rightBind, rightConnect}
}

// everyPort reports whether the manifest grants connections to all TCP ports,
// which needs no rule.
func (b *builder) everyPort() bool {
	return slices.ContainsFunc(b.Manifest.Network.Egress, func(e manifest.Egress) bool {
		return e.Protocol == manifest.TCP && slices.ContainsFunc(e.Ports, func(r manifest.PortRange) bool {
			return r.From <= 1 && r.To == 65535
		})
	})
}

// onlyWall says what nothing but this right of Landlock holds, and is "" where
// something else holds it too.
func (b *builder) onlyWall(r LandlockRight) string {
	host := b.networkMode() == manifest.NetworkHost
	switch {
	case b.Mode == Record:
	case r.Name == rightExecute:
		return "the list of programs"
	case r.Name == rightReadFile, r.Name == rightReadDir:
		return "filesystem.readable"
	case host && (r.Name == rightBind || r.Name == rightConnect):
		return "the ports of network"
	case b.takesFlags() && slices.Contains(writeRights(), r.Name):
		return "read-only mounts, whose flag CAP_SYS_ADMIN with mount_setattr takes off"
	case r.Name == scopeAbstract && host:
		return "the abstract Unix sockets of the host, which are reached through its network"
	}
	return ""
}

// sayUnenforced notes what is open for want of Landlock.
func (b *builder) sayUnenforced(missing []LandlockRight) {
	if b.Mode == Enforce && b.networkMode() == manifest.NetworkHost && b.usesUDP() {
		b.unenforced("the UDP ports of network: Landlock knows TCP only, so that on the host's network UDP is open as a whole")
	}
	said := map[string]bool{}
	for _, r := range missing {
		what := b.onlyWall(r)
		if what == "" || said[what] {
			continue
		}
		said[what] = true
		if b.Host.LandlockABI == 0 {
			b.unenforced("%s: the kernel has no Landlock", what)
		} else {
			b.unenforced("%s: Landlock's ABI is %d, %d is needed (Linux %s)", what, b.Host.LandlockABI, r.ABI, r.Linux)
		}
	}
}

// restrict makes the rule set and puts it in force.
func (b *builder) restrict(uses []string) error {
	fs, net, scoped := of(uses, "LANDLOCK_ACCESS_FS_"), of(uses, "LANDLOCK_ACCESS_NET_"), of(uses, "LANDLOCK_SCOPE_")
	if len(fs)+len(net)+len(scoped) == 0 {
		return nil
	}
	const about = "restricting with Landlock"
	// An older kernel takes the longer structure, as long as what it does not
	// know is 0 (copy_struct_from_user).
	attr := structure(u64("handled_access_fs", orNull(fs)), u64("handled_access_net", orNull(net)), u64("scoped", orNull(scoped)))
	ruleset := b.open(about, "landlock_create_ruleset", attr, size(attr), null())
	if len(fs) > 0 {
		if err := b.fileRules(ruleset, fs); err != nil {
			return err
		}
	}
	if len(net) > 0 {
		b.netRules(ruleset, net)
	}
	b.do(about, "landlock_restrict_self", ruleset, orNull(of(uses, "LANDLOCK_RESTRICT_SELF_")))
	return nil
}

// of returns the names that begin alike.
func of(names []string, prefix string) []string {
	return slices.DeleteFunc(slices.Clone(names), func(n string) bool { return !strings.HasPrefix(n, prefix) })
}

func orNull(names []string) Arg {
	if len(names) == 0 {
		return null()
	}
	return flags(names...)
}

// rules are the rights over each path and all below it.
type rules map[string][]string

// fileRules gives rights over files back.
func (b *builder) fileRules(ruleset Arg, handled []string) error {
	all := rules{}
	for p := range b.granted() {
		if p != manifest.AnyProgram {
			all.add(p, rightExecute, rightReadFile)
		}
	}
	for _, r := range b.Manifest.Filesystem.Readable {
		f := b.fact(r.Path)
		if !f.Exists {
			return fmt.Errorf("the manifest reads %q, which this image does not have", r.Path)
		}
		all.add(f.Real, rightReadFile)
		if f.Dir {
			all.add(f.Real, rightReadDir)
		}
	}
	// A process writes to its own folder there (comm of another thread,
	// oom_score_adj, uid_map), which no rule can name before it exists. What
	// else could be written below /proc is masked, read-only or root's. Where
	// that is not certain, nothing is written there.
	all.add("/proc", readRights()...)
	if !b.takesFlags() {
		all.add("/proc", rightWriteFile, rightTruncate)
	}
	// All devices that the container has are here, each bound for it, and
	// none can be opened elsewhere, for every other mount is nodev.
	all.add("/dev", append(readRights(), rightWriteFile, rightIoctlDev)...)
	all.add("/dev/shm", writeRights()...)
	if b.Places.Localtime != "" {
		all.add(path.Join(b.real("/etc"), "localtime"), rightReadFile)
	}
	for _, w := range b.Manifest.Filesystem.Writable {
		all.add(b.real(w.Path), append(readRights(), writeRights()...)...)
	}
	for _, m := range b.Manifest.Mounts {
		all.add(b.real(m.Path), readRights()...)
		if m.Write {
			all.add(b.real(m.Path), writeRights()...)
		}
	}
	all.keep(handled)
	all.fold()
	b.pathRules(ruleset, all)
	// What the standard streams can be, beside pipes and sockets. Programs
	// open /dev/stdout, which leads to where the stream is on the host, below
	// no folder of the container; the inode is the same.
	streams := rules{}
	streams.add(nullDevice, rightReadFile, rightWriteFile, rightIoctlDev)
	if b.plan.Process.TTY {
		streams.add(console, rightReadFile, rightWriteFile, rightIoctlDev)
	}
	streams.keep(handled)
	b.pathRules(ruleset, streams)
	return nil
}

func (r rules) add(p string, rights ...string) {
	for _, right := range rights {
		if !slices.Contains(r[p], right) {
			r[p] = append(r[p], right)
		}
	}
}

// keep leaves only these rights, in their order, and no path without one.
func (r rules) keep(rights []string) {
	for p, has := range r {
		r[p] = slices.DeleteFunc(slices.Clone(rights), func(right string) bool { return !slices.Contains(has, right) })
	}
	maps.DeleteFunc(r, func(_ string, has []string) bool { return len(has) == 0 })
}

// fold takes from each path what a folder above it gives: each rule costs
// every launch a few microseconds.
func (r rules) fold() {
	paths := slices.Sorted(maps.Keys(r))
	slices.Reverse(paths) // what is below comes first, while all above is whole
	for _, p := range paths {
		for dir := p; dir != "/"; {
			dir = path.Dir(dir)
			r[p] = slices.DeleteFunc(r[p], func(right string) bool { return slices.Contains(r[dir], right) })
		}
		if len(r[p]) == 0 {
			delete(r, p)
		}
	}
}

func (b *builder) pathRules(ruleset Arg, all rules) {
	for _, p := range slices.Sorted(maps.Keys(all)) {
		b.pathRule(ruleset, p, all[p]...)
	}
}

// pathRule adds a rule for a path and all below it. The rule holds the inode,
// so that the path is opened where the program will find it: through the
// overlay, or as the mount that has been attached there.
func (b *builder) pathRule(ruleset Arg, p string, rights ...string) {
	about := "allowing " + p
	beneath := func(f Arg) {
		b.do(about, "landlock_add_rule", ruleset, flags("LANDLOCK_RULE_PATH_BENEATH"),
			structure(u64("allowed_access", flags(rights...)), u32("parent_fd", f)), null())
	}
	if mount, ok := b.attached[p]; ok {
		beneath(mount)
		return
	}
	f := b.at(about, p)
	beneath(f)
}

// maxPortRules bounds the ports that Landlock is given one by one.
const maxPortRules = 4096

// netRules allows the manifest's TCP ports.
func (b *builder) netRules(ruleset Arg, handled []string) {
	if b.private() && b.plan.Network.Handover {
		return // see netRights: the supervisor connects and binds
	}
	// Port 0 lets the kernel choose the port of a socket that will connect;
	// listening on it is the supervisor's to refuse.
	ports := map[uint16][]string{0: {rightBind}}
	n := b.Manifest.Network
	for _, l := range n.Listen {
		if l.Protocol == manifest.TCP {
			ports[l.Port] = append(ports[l.Port], rightBind)
		}
	}
	for _, e := range n.Egress {
		if b.private() || e.Protocol != manifest.TCP || !slices.Contains(handled, rightConnect) {
			continue
		}
		for _, r := range e.Ports {
			for port := int(r.From); port <= int(r.To); port++ {
				if !slices.Contains(ports[uint16(port)], rightConnect) {
					ports[uint16(port)] = append(ports[uint16(port)], rightConnect)
				}
			}
		}
	}
	if len(ports) > maxPortRules {
		b.unenforced("the %d ports of network.egress: Landlock would need a rule for each, and the bound is %d", len(ports), maxPortRules)
	}
	sorted := slices.Sorted(maps.Keys(ports))
	for _, p := range sorted[:min(len(sorted), maxPortRules)] {
		b.do("allowing a port", "landlock_add_rule", ruleset, flags("LANDLOCK_RULE_NET_PORT"),
			structure(u64("allowed_access", flags(ports[p]...)), u64("port", number(int64(p)))), null())
	}
}
