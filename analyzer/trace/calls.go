package trace

import (
	"fmt"

	"github.com/least-privilege/lpm/analyzer"
	"github.com/least-privilege/lpm/analyzer/record"
	"github.com/least-privilege/lpm/manifest"
)

// callInfo is what the programs in the kernel do about a call. Positions of
// arguments count from 0; none is [noArg].
type callInfo struct {
	Kind kind
	// Plain are the positions of arguments that an event takes as they are,
	// by bit: those that are not addresses.
	Plain uint8
	// Counted are the arguments that tell one count from another.
	Counted [2]uint8
	// Paths are the arguments that name up to two paths, each with that of
	// the folder's descriptor; without one it is the working folder.
	Paths [2]struct{ Dir, Path uint8 }
	Masks [2]uint64
	// Address is the argument that points to what is read, Length the one
	// that says how much.
	Address, Length uint8
	// Checked are the arguments that a capability check is counted by.
	Checked [2]uint8
	// IDs says that an event takes the caller's ids.
	IDs uint8
	// Always says that the call is not counted: every proposal has it.
	Always     uint8
	_          [2]uint8
	CheckMasks [2]uint64
}

const (
	callInfoSize = 48
	noArg        = 0xff
)

// The places in a callInfo that the programs look at.
const (
	infoKind       = 0
	infoPlain      = 1
	infoCounted    = 2
	infoPaths      = 4
	infoMasks      = 8
	infoAddress    = 24
	infoLength     = 25
	infoChecked    = 26
	infoIDs        = 28
	infoAlways     = 29
	infoCheckMasks = 32
)

// callInfos returns what is done about each call of an architecture.
func callInfos(arch string) (map[uint32]callInfo, error) {
	table := manifest.SyscallTable(arch)
	if table == nil {
		return nil, fmt.Errorf("no table of system calls for architecture %q", arch)
	}
	infos := map[uint32]callInfo{}
	for _, s := range table {
		if s.Number < 0 || s.Number >= maxNumber {
			return nil, fmt.Errorf("system call %s has number %d, for which there is no room", s.Name, s.Number)
		}
		infos[uint32(s.Number)] = infoOf(s.Name)
	}
	// They are made too often to be counted, here as by the other recorder.
	for _, name := range analyzer.Baseline(arch) {
		s, ok := manifest.LookupSyscall(arch, name)
		if i := infos[uint32(s.Number)]; ok && i.Kind == nothing {
			i.Always = 1
			infos[uint32(s.Number)] = i
		}
	}
	return infos, nil
}

func infoOf(name string) callInfo {
	i := callInfo{
		Counted: [2]uint8{noArg, noArg}, Checked: [2]uint8{noArg, noArg},
		Address: noArg, Length: noArg,
	}
	for n := range i.Paths {
		i.Paths[n].Dir, i.Paths[n].Path = noArg, noArg
	}
	// No call has more than two recorded arguments; a test holds the table
	// to that.
	for n, spec := range manifest.RecordedArgs(name) {
		i.Counted[n], i.Masks[n] = uint8(spec.Arg), spec.Mask
	}
	i.named(name)
	i.checked(name)
	return i
}

// named says what of a call's arguments names something.
func (i *callInfo) named(name string) {
	switch name {
	case "open":
		i.Kind, i.Plain = kindOpen, 1<<1
	case "openat":
		i.Kind, i.Plain = kindOpen, 1<<2
	case "creat", "openat2":
		i.Kind = kindOpen
	case "fchmod", "fsetxattr", "fremovexattr":
		i.Kind = kindDescriptor
	case "fchown":
		i.Kind, i.Plain, i.IDs = kindDescriptor, 1<<1|1<<2, 1
	case "connect", "bind":
		i.Kind, i.Address, i.Length = kindAddress, 1, 2
	case "sendto":
		i.Kind, i.Address, i.Length = kindAddress, 4, 5
	case "sendmsg":
		i.Kind, i.Address = kindMessage, 1
	case "sendmmsg":
		i.Kind, i.Address, i.Length = kindMessages, 1, 2
	case "listen":
		i.Kind = kindListen
	case "setrlimit":
		i.Kind, i.Plain, i.Address = kindLimit, 1<<0, 1
	case "prlimit64":
		i.Kind, i.Plain, i.Address = kindLimit, 1<<1, 2
	// Of a signal the two are the process and the signal.
	case "kill", "rt_sigqueueinfo":
		i.Kind, i.Address, i.Length = kindSignal, 0, 1
	case "tgkill", "rt_tgsigqueueinfo":
		i.Kind, i.Address, i.Length = kindSignal, 0, 2
	case "pidfd_send_signal":
		i.Kind, i.Length = kindSignal, 1
	// Of an answer they are the memory and the sender's address.
	case "recvfrom":
		i.Kind, i.Address, i.Length = kindAnswer, 1, 4
	case "recvmsg":
		i.Kind, i.Address = kindAnswer, 1
	case "setuid", "setfsuid", "setgid", "setfsgid", "setreuid", "setregid", "setresuid", "setresgid":
		i.Kind, i.Plain, i.IDs = kindIDs, 0b111, 1
	case "setgroups":
		i.Kind, i.Plain, i.Address, i.IDs = kindGroups, 1<<0, 1, 1
	default:
		i.paths(name)
	}
}

// paths are those that a call changes, as package record has them.
func (i *callInfo) paths(name string) {
	for n, p := range record.ChangedPaths(name) {
		i.Kind = kindPath
		i.Paths[n].Path, i.Paths[n].Dir = uint8(p.Path), noArg
		if p.Dir >= 0 {
			i.Paths[n].Dir = uint8(p.Dir)
		}
	}
	switch name {
	case "chown", "lchown":
		i.Plain, i.IDs = 1<<1|1<<2, 1
	case "fchownat":
		i.Plain, i.IDs = 1<<2|1<<3|1<<4, 1
	case "fchmodat2", "utimensat":
		i.Plain = 1 << 3 // whether the last link is followed
	}
}

// checked says which arguments decide whether a capability that the kernel
// looks for is one that the call needs; see needed.
func (i *callInfo) checked(name string) {
	const word, setGroupID = 1<<32 - 1, 0o2000
	switch name {
	case "setuid", "setgid", "prctl":
		i.Checked[0], i.CheckMasks[0] = 0, word
	case "chmod", "fchmod":
		i.Checked[0], i.CheckMasks[0] = 1, setGroupID
	case "fchmodat", "fchmodat2":
		i.Checked[0], i.CheckMasks[0] = 2, setGroupID
	case "setsockopt":
		i.Checked, i.CheckMasks = [2]uint8{1, 2}, [2]uint64{word, word}
	}
}
