package plan

import (
	"fmt"
	"maps"
	"slices"

	"github.com/least-privilege/lpm/manifest"
)

// Constants of the kernel's headers that the guard looks for.
const (
	tiocsti, tioclinux = 0x5412, 0x541c
	tiocsetd           = 0x5423
	mfdNoexecSeal      = 0x8
	msgFastopen        = 0x20000000
	protoMPTCP         = 262
	tcpULP             = 31
	tcpFastopenConnect = 30
	ipOptions          = 4
	ipv6RTHDR          = 57
	ipv62292Options    = 6
	soBindToDevice     = 25
	soBindToIfindex    = 62
	ipUnicastIf        = 50
	ipv6UnicastIf      = 76
	ipv6FlowlabelMgr   = 32
	ipAddSource        = 39
	mcastJoinGroup     = 42
	mcastJoinSource    = 46
	afVsock, afQipcrtr = 40, 42
	// Modes and flags of files, the same on both architectures.
	setUID, setGID   = 0o4000, 0o2000
	oCreat, oTmpfile = 0o100, 0o20000000
)

// namespaceFlags are the CLONE_NEW* bits of linux/sched.h: NEWTIME, NEWNS,
// NEWCGROUP, NEWUTS, NEWIPC, NEWUSER, NEWPID, NEWNET. NEWTIME shares its bit
// with the signal number in clone(2), where it has no meaning.
func namespaceFlags() []uint64 {
	return []uint64{0x20000, 0x2000000, 0x4000000, 0x8000000, 0x10000000, 0x20000000, 0x40000000}
}

// guard is the filter of what is refused whatever the list of allowed calls
// says, because the list cannot say it: single values among those allowed, and
// flags behind a pointer. Of a few it has the supervisor decide.
func (b *builder) guard() (Filter, error) {
	f := Filter{Architecture: b.Host.Architecture, Default: ActionAllow}
	add := func(name string, action Action, when ...Compare) error {
		info, ok := manifest.LookupSyscall(b.Host.Architecture, name)
		if !ok {
			return fmt.Errorf("no system call %q on %s", name, b.Host.Architecture)
		}
		f.Rules = append(f.Rules, Rule{Syscall: name, Number: info.Number, Action: action, When: when})
		return nil
	}
	var errs []error
	deny := func(name string, action Action, when ...Compare) { errs = append(errs, add(name, action, when...)) }

	// Typing into the caller's terminal (CVE-2017-5226, CVE-2023-28100). The
	// kernel reads 32 bits of the command (CVE-2019-10063).
	deny("ioctl", ActionEPERM, Compare{Arg: 1, Mask: word, Value: tiocsti})
	deny("ioctl", ActionEPERM, Compare{Arg: 1, Mask: word, Value: tioclinux})
	// Line disciplines are drivers of protocols, which the kernel loads for
	// whoever has a terminal (CVE-2017-2636, CVE-2023-6546): granting every
	// ioctl does not grant them.
	if b.Mode == Enforce && !b.namesValue("ioctl", 1, tiocsetd) {
		deny("ioctl", ActionEPERM, Compare{Arg: 1, Mask: word, Value: tiocsetd})
	}
	// clone3's flags are behind a pointer; C libraries fall back to clone.
	if !b.grants("clone3") || !b.grants("unshare") {
		deny("clone3", ActionENOSYS)
	}
	if b.Mode == Enforce && !b.grants("unshare") {
		for _, bit := range namespaceFlags() {
			deny("clone", ActionEPERM, Compare{Arg: 0, Mask: bit, Value: bit})
		}
	}
	// io_uring does its work past every filter.
	for _, name := range []string{"io_uring_setup", "io_uring_enter", "io_uring_register"} {
		if !b.grants(name) {
			deny(name, ActionENOSYS)
		}
	}
	if b.Mode == Enforce && !b.anyProgram() {
		// Anonymous files can be executed past Landlock unless sealed.
		deny("memfd_create", ActionEPERM, Compare{Arg: 1, Mask: mfdNoexecSeal, Value: 0})
	}
	// Landlock's ports are those of TCP alone. What uses MPTCP, as Go
	// programs do by default, falls back where it gets no such socket.
	switch multipath := (Compare{Arg: 2, Mask: word, Value: protoMPTCP}); b.networkMode() {
	case manifest.NetworkHost:
		deny("socket", ActionENOSYS, multipath)
	case manifest.NetworkPrivate:
		deny("socket", ActionEPERM, multipath) // as the families below
	}
	// Sockets to the hypervisor and to other processors of the machine are
	// in no network namespace: only a manifest that names them grants them,
	// as the main filter has it of all families on the host's network.
	for _, family := range []uint64{afVsock, afQipcrtr} {
		if b.Mode == Enforce && b.networkMode() != manifest.NetworkHost && !b.namesValue("socket", 0, family) {
			deny("socket", ActionEPERM, Compare{Arg: 0, Mask: word, Value: family})
		}
	}
	if b.Mode == Enforce && (b.networkMode() == manifest.NetworkHost || b.handover()) {
		// A TCP socket that becomes one of SMC is none to Landlock any more
		// (sk_is_tcp in security/landlock/net.c). The protocol's name is
		// behind a pointer; TLS, the other one, programs do without.
		deny("setsockopt", ActionEPERM, Compare{Arg: 1, Mask: word, Value: protoTCP}, Compare{Arg: 2, Mask: word, Value: tcpULP})
		// TCP Fast Open connects without the call that Landlock watches.
		deny("sendto", ActionEPERM, Compare{Arg: 3, Mask: msgFastopen, Value: msgFastopen})
		deny("sendmsg", ActionEPERM, Compare{Arg: 2, Mask: msgFastopen, Value: msgFastopen})
		deny("sendmmsg", ActionEPERM, Compare{Arg: 3, Mask: msgFastopen, Value: msgFastopen})
	}
	if b.handover() {
		b.handedSockets(deny)
	}
	if b.writesHost() {
		b.setID(deny)
	}
	for _, err := range errs {
		if err != nil {
			return Filter{}, err
		}
	}
	slices.SortStableFunc(f.Rules, func(x, y Rule) int { return x.Number - y.Number })
	return f, nil
}

// handedSockets denies what a container could do with a socket of the host's
// that it was given besides to send and receive: connect it by its first data,
// have its packets take another way, and look at the host's interfaces. Binding
// a socket to one of them is both: the kernel tells its name then. To choose one
// for sending tells which numbers there are.
//
// A group that is joined is told to the machines of the host's network, as a
// number of up to 112 bits that the container chooses. Of TCP sockets the kernel
// refuses that by IP_ADD_MEMBERSHIP and IPV6_JOIN_GROUP, and not by the others
// (do_ip_setsockopt, do_ipv6_setsockopt). A flow label is the host's too, and
// can stand for a routing header.
func (b *builder) handedSockets(deny func(name string, action Action, when ...Compare)) {
	for _, option := range [][2]uint64{
		{protoTCP, tcpFastopenConnect}, {protoIP, ipOptions}, {protoIPv6, ipv6RTHDR}, {protoIPv6, ipv62292Options},
		{solSocket, soBindToDevice}, {solSocket, soBindToIfindex}, {protoIP, ipUnicastIf}, {protoIPv6, ipv6UnicastIf},
		{protoIP, ipAddSource}, {protoIP, mcastJoinGroup}, {protoIP, mcastJoinSource},
		{protoIPv6, mcastJoinGroup}, {protoIPv6, mcastJoinSource}, {protoIPv6, ipv6FlowlabelMgr},
	} {
		deny("setsockopt", ActionEPERM, Compare{Arg: 1, Mask: word, Value: option[0]}, Compare{Arg: 2, Mask: word, Value: option[1]})
	}
	// Those of linux/wireless.h go to the host's interfaces from any socket.
	const wireless, all = 0x8b00, 0xff
	deny("ioctl", ActionEPERM, Compare{Arg: 1, Mask: word &^ all, Value: wireless})
	interfaceRequests(deny)
}

// setID denies the making of files that run as their owner or group, which in
// a folder of the host would be the caller: any other user of the host could
// become the caller by them. As systemd's RestrictSUIDSGID= does, it looks at
// the modes that calls are given, and openat2, whose mode is behind a pointer,
// is not there.
func (b *builder) setID(deny func(name string, action Action, when ...Compare)) {
	modes := map[string]int{"chmod": 1, "fchmod": 1, "fchmodat": 2, "fchmodat2": 2, "creat": 1, "mknod": 1, "mknodat": 2}
	for _, name := range slices.Sorted(maps.Keys(modes)) {
		for _, bit := range []uint64{setUID, setGID} {
			if _, ok := manifest.LookupSyscall(b.Host.Architecture, name); ok {
				deny(name, ActionEPERM, Compare{Arg: modes[name], Mask: bit, Value: bit})
			}
		}
	}
	// The mode counts where a file may be made alone.
	for name, flags := range map[string]int{"open": 1, "openat": 2} {
		if _, ok := manifest.LookupSyscall(b.Host.Architecture, name); !ok {
			continue
		}
		for _, makes := range []uint64{oCreat, oTmpfile} {
			for _, bit := range []uint64{setUID, setGID} {
				deny(name, ActionEPERM, Compare{Arg: flags, Mask: makes, Value: makes}, Compare{Arg: flags + 1, Mask: bit, Value: bit})
			}
		}
	}
	deny("openat2", ActionENOSYS)
}

// writesHost reports whether the container may write to a folder of the host.
func (b *builder) writesHost() bool {
	return b.Mode == Enforce && slices.ContainsFunc(b.Manifest.Mounts, func(m manifest.Mount) bool {
		return m.Host != "" && m.Write
	})
}

// grants reports whether the manifest names a call. Recording grants none of
// those that the guard asks about.
func (b *builder) grants(name string) bool {
	return b.Mode == Enforce && slices.ContainsFunc(b.Manifest.Syscalls.Allow, func(s manifest.Syscall) bool {
		return s.Name == name
	})
}

// namesValue reports whether the manifest grants a value of an argument of 32
// bits by itself, and not with all others.
func (b *builder) namesValue(call string, arg int, value uint64) bool {
	return slices.ContainsFunc(b.Manifest.Syscalls.Allow, func(s manifest.Syscall) bool {
		return s.Name == call && slices.ContainsFunc(s.When, func(c manifest.Condition) bool {
			mask, values, err := c.Resolve(b.Host.Architecture, call)
			return err == nil && c.Arg == arg && mask&word == word && slices.Contains(values, value)
		})
	})
}

// anyProgram reports whether every program may be executed.
func (b *builder) anyProgram() bool {
	return b.Mode == Record || slices.ContainsFunc(b.Manifest.Execute, func(p manifest.Program) bool {
		return p.Path == manifest.AnyProgram
	})
}
