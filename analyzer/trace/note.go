package trace

import (
	"encoding/binary"
	"net/netip"
	"path"
	"slices"
	"strings"
	"time"

	"golang.org/x/sys/unix"

	"github.com/least-privilege/lpm/analyzer/evidence"
	"github.com/least-privilege/lpm/analyzer/record"
	"github.com/least-privilege/lpm/manifest"
)

// A call's arguments that were addresses are numbers here that stand for what
// was found there, and its descriptors are one that stands for the folder.
const (
	firstAddress, secondAddress = 0x1000, 0x2000
	folder                      = 3
)

// fact is what an event says, ready to be noted as often as it happened.
type fact struct {
	noted uint64
	note  func(count uint64)
}

// fact makes out what an event says. Paths are resolved now.
func (r *Recorder) fact(e *event) fact {
	at := r.since(e.time)
	by := record.Doer{Program: r.program(e.program), Check: e.check}
	switch e.kind {
	case kindExecution:
		return r.execution(e, at)
	case kindSignal:
		info, _ := manifest.SyscallByNumber(r.options.Architecture, e.number)
		number, to := e.args[1], signalTarget(e.args[0])
		return fact{note: func(count uint64) { r.record.ObserveSignal(info.Name, number, to, by, at, count) }}
	case kindAnswer:
		message := slices.Clone(e.strings[0])
		return fact{note: func(count uint64) { r.record.ObserveAnswer(message, by, at, count) }}
	}
	list := r.observed(e)
	e.strings = [4][]byte{2: slices.Clone(e.strings[2])} // the rest is the sample's
	return fact{note: func(count uint64) {
		for _, o := range list {
			o.At, o.By, o.Check, o.Count = at, r.program(e.program), e.check, count
			r.record.Observe(o)
			if e.kind == kindOpen && e.overridden() {
				r.record.ObserveCapability("CAP_DAC_OVERRIDE", "opening "+o.Paths[firstAddress].Name, record.Doer{Program: o.By, Check: o.Check}, at, count)
			}
		}
	}}
}

// execution is the event of a new program.
func (r *Recorder) execution(e *event, at time.Duration) fact {
	running := rooted(r.program(e.args[0]))
	switch joins := e.args[1] == 1; {
	case joins && e.check:
		return fact{note: func(uint64) {}} // it was noted when it was made
	case joins && !e.engine:
		script := r.options.Program != "" && r.root.isScript(r.options.Program)
		return fact{note: func(uint64) { r.record.ObserveFirst(running, script) }}
	}
	p := evidence.Program{Path: running}
	// What was executed by a descriptor alone has no other name.
	if asked := text(e.strings[0]); !strings.HasPrefix(asked, "/dev/fd/") {
		found := r.root.resolve(r.path(e.strings[1]), asked)
		if interpreter := text(e.strings[2]); interpreter != "" {
			p.Path, p.Interpreter = found.Target, path.Clean("/"+interpreter)
		}
		if found.Name != p.Path {
			p.As = found.Name
		}
	}
	by := record.Doer{Check: e.check}
	if e.program != 0 {
		by.Program = r.program(e.program)
	}
	return fact{note: func(count uint64) { r.record.ObserveProgram(p, by, at, count) }}
}

// rooted gives a file without a name, from memfd_create, a path.
func rooted(name string) string { return path.Clean("/" + name) }

// observed turns an event into the calls that it stands for.
func (r *Recorder) observed(e *event) []*record.Observed {
	info, _ := manifest.SyscallByNumber(r.options.Architecture, e.number)
	o := &record.Observed{
		Name: info.Name, Args: e.args, Paths: map[uint64]record.ObservedPath{},
		Descriptors: map[int32]string{}, Memory: map[uint64][]byte{},
		UIDs: [4]uint32(e.ids[:4]), GIDs: [4]uint32(e.ids[4:]), Groups: ids(e.strings[2]), Effective: e.effective,
		Socket: e.socket(),
	}
	positions := infoOf(info.Name)
	switch e.kind {
	case kindOpen:
		r.opened(o, e)
	case kindPath:
		r.paths(o, e, positions)
	case kindDescriptor:
		o.Args[0] = folder
		o.Descriptors[folder] = r.path(e.strings[0])
	case kindAddress:
		if !e.succeeded && info.Name == "bind" {
			return nil
		}
		r.address(o, e, positions)
	case kindMessage, kindMessages:
		return messages(o, e)
	case kindListen:
		o.Args[0] = folder
	case kindLimit, kindGroups:
		memory := e.strings[0]
		if e.kind == kindGroups {
			memory = e.strings[3]
		}
		o.Args[positions.Address] = firstAddress
		o.Memory[firstAddress] = slices.Clone(memory)
	}
	return []*record.Observed{o}
}

// opened has a file's opening be one by its path, whatever call it was.
func (r *Recorder) opened(o *record.Observed, e *event) {
	flags := uint64(e.flags)
	switch o.Name {
	case "open":
		flags |= e.args[1] & unix.O_TRUNC
	case "openat":
		flags |= e.args[2] & unix.O_TRUNC
	case "creat":
		flags |= unix.O_TRUNC
	}
	name := r.path(e.strings[0])
	if flags&unix.O_TMPFILE == unix.O_TMPFILE {
		name = path.Dir(name)
	}
	if e.created {
		flags |= unix.O_CREAT
	}
	here := int32(unix.AT_FDCWD)
	o.Name, o.Args = "openat", [6]uint64{uint64(here), firstAddress, flags}
	o.Paths[firstAddress] = record.ObservedPath{Name: name, Target: name}
	o.Mode, o.Created = e.mode, e.created
}

// paths resolves those of a call.
func (r *Recorder) paths(o *record.Observed, e *event, positions callInfo) {
	for i, p := range positions.Paths {
		if p.Path == noArg {
			break
		}
		address := uint64(firstAddress)
		if i == 1 {
			address = secondAddress
		}
		base := r.path(e.strings[2*i+1])
		if p.Dir != noArg {
			o.Args[p.Dir] = folder
			o.Descriptors[folder] = base
		}
		if len(e.strings[2*i]) == 0 { // no path: the descriptor is meant
			address = 0
		} else {
			o.Paths[address] = r.root.resolve(base, text(e.strings[2*i]))
		}
		o.Args[p.Path] = address
	}
}

// address has a call name a socket address.
func (r *Recorder) address(o *record.Observed, e *event, positions callInfo) {
	name := slices.Clone(e.strings[0])
	o.Args[0], o.Args[positions.Address], o.Args[positions.Length] = folder, firstAddress, uint64(len(name))
	o.Memory[firstAddress] = name
	if len(name) > 2 && name[2] != 0 && binary.NativeEndian.Uint16(name) == unix.AF_UNIX {
		o.Paths[firstAddress+2] = r.root.resolve(r.base(e, text(name[2:])), text(name[2:]))
	}
}

// base is where a path of a unix socket starts from.
func (r *Recorder) base(e *event, name string) string {
	if path.IsAbs(name) {
		return "/"
	}
	return r.path(e.strings[1])
}

// messages has one call for each address.
func messages(o *record.Observed, e *event) []*record.Observed {
	var list []*record.Observed
	for b := e.strings[0]; len(b) >= addressRoom; b = b[addressRoom:] {
		n := min(binary.NativeEndian.Uint64(b), addressSize)
		one := *o
		one.Name, one.Args = "sendto", [6]uint64{folder, 0, 0, 0, firstAddress, n}
		one.Memory = map[uint64][]byte{firstAddress: slices.Clone(b[8 : 8+n])}
		list = append(list, &one)
	}
	return list
}

// socket is what the event's socket is.
func (e *event) socket() record.Socket {
	s := record.Socket{Type: int(e.typ), Protocol: int(e.protocol)}
	switch e.family {
	case unix.AF_INET:
		s.Local = netip.AddrPortFrom(netip.AddrFrom4(e.address), e.port)
	case unix.AF_INET6:
		s.Local = netip.AddrPortFrom(netip.AddrFrom16(e.address6), e.port)
	}
	return s
}

// ids reads a list of ids of 32 bits.
func ids(b []byte) []uint32 {
	list := make([]uint32, 0, len(b)/4)
	for ; len(b) >= 4; b = b[4:] {
		list = append(list, binary.NativeEndian.Uint32(b))
	}
	return list
}
