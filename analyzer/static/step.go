package static

// kind says where a step leads.
type kind uint8

const (
	plain  kind = iota
	stop        // nothing follows: a return, a trap
	jump        // to another place
	branch      // to another place, or on
	call        // and on, when it returns
	kernel      // a system call
)

// Registers are numbered as the architecture does: 0 to 15 on amd64, 0 to 30
// and the stack pointer as 31 on arm64.
const (
	maxRegisters = 32
	noRegister   = -1
)

// form says what a step writes to its destination.
type form uint8

const (
	isUnknown form = iota
	isNumber       // value
	isCopy         // of register from
	isSum          // of register from and value
	isLoad         // of memory at register from plus value, or at value without one
	isEither       // what it was, or a copy of register from
	isPush         // register from, or value without one, onto the stack
	isPop          // off the stack
	isByte         // what it was, but for the last byte, which is value
	isTested       // nothing: register from is compared with 0
	isStore        // of register from, or value without one, to memory at base plus offset, or at offset without one
)

// isZero tells which way of a branch is that of a zero.
type isZero uint8

const (
	neither isZero = iota
	there          // where it leads to
	next           // what follows
)

// step is one instruction, as far as it matters here.
type step struct {
	at      uint64
	size    uint8
	kind    kind
	returns bool   // a stop that goes back to the caller
	last    bool   // a call that does not come back
	idle    bool   // it does nothing: padding
	bad     bool   // it is no instruction, or none that is known
	zero    isZero // of a branch: when what was tested is 0
	to      uint64 // of a jump, a branch or a call, if known
	slot    uint64 // memory that holds the target instead

	// refers is an address that the instruction takes; reads one that it
	// reads width bytes at. 0 is none.
	refers, reads uint64
	width         uint8

	form       form
	to32       bool // the upper half becomes 0
	dst        int8
	from, base int8
	value      uint64
	offset     int64
	wipes      uint8  // bytes that it writes, of what is not told, at base plus offset
	kills      uint32 // registers that are unknown after it, beside dst
}

func (s *step) next() uint64 { return s.at + uint64(s.size) }

// processor reads machine code.
type processor interface {
	// decode reads the instruction at the start of code; its size is at
	// least 1, also of what is none.
	decode(s *step, code []byte, at uint64)
	// stub returns the slot that a stub at the start of code jumps by.
	stub(code []byte, at uint64) (slot uint64, ok bool)
	// mentions finds code that may name one of some places.
	mentions(s segment, to *places, found func(at uint64))
	convention() convention
}

// convention is what functions and the kernel agree on.
type convention struct {
	stack     int8   // the stack pointer
	number    int8   // register of a system call's number
	arguments []int8 // registers of a function's arguments
	clobbered uint32 // registers that a function may change
	answered  uint32 // registers that the kernel changes
	pushed    int64  // bytes that a call puts on the stack
}
