package trace

import (
	"bytes"
	"encoding/binary"
	"fmt"
)

// An event is what a call has named, as the programs in the kernel hand it
// over: a head of numbers, and up to four strings of bytes after it, each at a
// multiple of eight. All that tells one event from another is hashed; what
// does not comes first.
const (
	eventHash      = 0  // nameKey
	eventTime      = 16 // nanoseconds of the monotonic clock
	eventThread    = 24 // thread id, and thread group id above it
	eventAgain     = 32 // not 0: the event is not remembered, and comes each time
	eventHashed    = 40 // from here on
	eventKind      = 40
	eventNumber    = 48 // and above it, of a task's state, checks and engine
	eventProgram   = 56
	eventArgs      = 64  // 6
	eventMode      = 112 // of the file
	eventFlags     = 120 // of the open file
	eventCreated   = 128
	eventFamily    = 136 // and the following: of the socket
	eventType      = 144
	eventProto     = 152
	eventPort      = 160
	eventAddr      = 168 // 4 bytes
	eventAddr6     = 176 // 16 bytes
	eventIDs       = 192 // 8 of 4 bytes
	eventCaps      = 224
	eventSucceeded = 232
	// eventOverride is not 0 where CAP_DAC_OVERRIDE was looked for to open
	// the file; eventOwner is its user then, and its group above that.
	eventOverride = 240
	eventOwner    = 248
	eventLengths  = 256 // 4, of the strings
	eventData     = 288

	// maxOffset bounds where a string may start, maxString its length; the
	// scratch memory holds one that is as long as can be at the last place.
	maxOffset   = 0x3fff
	maxString   = 4096
	scratchSize = maxOffset + 1 + maxString + 16
	// lastStart is where the programs give up instead.
	lastStart = maxOffset - maxString
)

// The scratch memories: a program may interrupt another one.
const (
	scratchExit = iota
	scratchEnter
	scratchExec
	scratchProgram
	scratches
)

// kind is what an event is about. Where one has the caller's ids, its groups
// are string 2.
type kind uint8

const (
	nothing kind = iota
	// kindOpen: a file was opened; string 0 is its path.
	kindOpen
	// kindPath: a call that names paths was made; strings 0 and 2 are the
	// paths, 1 and 3 the folders that they start from.
	kindPath
	// kindDescriptor: a call changed an open file; string 0 is its path.
	kindDescriptor
	// kindAddress: a call named a socket address, which is string 0; string
	// 1 is the working folder.
	kindAddress
	// kindMessage and kindMessages: string 0 is one or more addresses, each
	// in 136 bytes, of which the first eight are the length.
	kindMessage
	kindMessages
	// kindListen: a socket listens.
	kindListen
	// kindLimit: string 0 is a struct rlimit64.
	kindLimit
	// kindSignal: a signal was sent, which is argument 1, to whom argument 0
	// says.
	kindSignal
	// kindAnswer: string 0 is what was received from a name server's port.
	kindAnswer
	// kindIDs and kindGroups are about to change ids; string 3 is the list
	// of groups that the caller wants. They are the only ones that are sent
	// before the call is made.
	kindIDs
	kindGroups
	// kindExecution: string 0 is the name as it was asked for, 1 the folder
	// that it starts from, 2 the name of the interpreter of a script.
	// Arguments: the program's hash, and whether it was not the container that
	// has executed it but lpm, as its first or for a health check, or the
	// engine.
	kindExecution
	// kindProgram: string 0 is the path of a program whose hash is the
	// event's.
	kindProgram
)

// event is a decoded one.
type event struct {
	key                nameKey
	time               uint64
	tid, pid           int
	again              bool
	kind               kind
	number             int
	check, engine      bool
	program            uint64
	args               [6]uint64
	mode, flags        uint32
	created, succeeded bool
	override           bool
	owner              [2]uint32 // user and group
	family, typ        uint16
	protocol, port     uint16
	address            [4]byte
	address6           [16]byte
	ids                [8]uint32
	effective          uint64
	strings            [4][]byte
}

// decode reads an event. The strings share the sample's memory.
func decode(b []byte) (*event, error) {
	if len(b) < eventData {
		return nil, fmt.Errorf("an event of %d bytes from the kernel's programs", len(b))
	}
	u64 := func(at int) uint64 { return binary.NativeEndian.Uint64(b[at:]) }
	e := &event{
		key: nameKey{u64(eventHash), u64(eventHash + 8)}, time: u64(eventTime),
		tid: int(uint32(u64(eventThread))), pid: int(u64(eventThread) >> 32), again: u64(eventAgain) != 0,
		kind: kind(u64(eventKind)), number: int(uint32(u64(eventNumber))), check: u64(eventNumber)>>32&1 != 0, engine: u64(eventNumber)>>33&1 != 0, program: u64(eventProgram),
		mode: uint32(u64(eventMode)), flags: uint32(u64(eventFlags)), created: u64(eventCreated) != 0, succeeded: u64(eventSucceeded) != 0,
		override: u64(eventOverride) != 0, owner: [2]uint32{uint32(u64(eventOwner)), uint32(u64(eventOwner) >> 32)},
		family: uint16(u64(eventFamily)), typ: uint16(u64(eventType)),
		protocol: uint16(u64(eventProto)), port: uint16(u64(eventPort)),
		address: [4]byte(b[eventAddr:]), address6: [16]byte(b[eventAddr6:]), effective: u64(eventCaps),
	}
	for i := range e.args {
		e.args[i] = u64(eventArgs + 8*i)
	}
	for i := range e.ids {
		e.ids[i] = binary.NativeEndian.Uint32(b[eventIDs+4*i:])
	}
	at := eventData
	for i := range e.strings {
		n := int(u64(eventLengths + 8*i))
		if n < 0 || n > len(b)-at {
			return nil, fmt.Errorf("an event of %d bytes with a string of %d at %d", len(b), n, at)
		}
		e.strings[i] = b[at : at+n]
		at = min(len(b), (at+n+7)&^7)
	}
	return e, nil
}

// components turns what the programs find on the way from a file up to the
// root, each name with a zero after it, into a path. What is in no folder has
// a second zero, and no path: its name is returned as it is.
func components(b []byte) string {
	if len(b) == 0 {
		return "/"
	}
	if name, alone := bytes.CutSuffix(b, []byte{0, 0}); alone {
		return string(name)
	}
	path := make([]byte, 0, len(b))
	for end := len(b) - 1; end >= 0; {
		start := end
		for start > 0 && b[start-1] != 0 {
			start--
		}
		path = append(append(path, '/'), b[start:end]...)
		end = start - 1
	}
	return string(path)
}

// text is a string of C.
func text(b []byte) string {
	for i, c := range b {
		if c == 0 {
			return string(b[:i])
		}
	}
	return string(b)
}
