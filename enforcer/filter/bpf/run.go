package bpf

// Architectures as the kernel reports them in struct seccomp_data
// (AUDIT_ARCH_* of linux/audit.h).
const (
	ArchX86_64  uint32 = 0xc000003e
	ArchI386    uint32 = 0x40000003
	ArchAArch64 uint32 = 0xc00000b7
	ArchARM     uint32 = 0x40000028
)

// X32Bit marks the calls of the x32 ABI, which x86-64 kernels report under
// [ArchX86_64] (__X32_SYSCALL_BIT of asm/unistd.h).
const X32Bit = 0x40000000

// dataSize is the size of struct seccomp_data, in bytes.
const dataSize = 64

// Data is a system call as a filter sees it (struct seccomp_data).
type Data struct {
	Number int32
	Arch   uint32
	// Pointer is the address of the calling instruction.
	Pointer uint64
	Args    [6]uint64
}

// Result is what a filter made of a call.
type Result struct {
	// Return is the filter's value: an action (SECCOMP_RET_* of
	// linux/seccomp.h) with its data in the low 16 bits.
	Return uint32
	// Steps is the number of instructions that ran.
	Steps int
	// Cacheable tells that only number and architecture were looked at. The
	// kernel then keeps an allow verdict in a bitmap, and later calls do not
	// run the filter at all (Linux 5.11, seccomp_cache_prepare).
	Cacheable bool
}

// word returns the 32 bits at the offset, low half first as on amd64 and
// arm64.
func (d *Data) word(offset uint32) uint32 {
	switch {
	case offset == 0:
		return uint32(d.Number)
	case offset == 4:
		return d.Arch
	case offset < 16:
		return half(d.Pointer, offset)
	}
	return half(d.Args[(offset-16)/8], offset)
}

// half returns the low or high half of v, as the offset's third bit says.
func half(v uint64, offset uint32) uint32 {
	if offset&4 != 0 {
		return uint32(v >> 32)
	}
	return uint32(v)
}

// Run returns what the filter makes of a call. It ends after at most len(p)
// steps, since jumps only go forward. p must come from [Decode].
func (p Program) Run(d Data) Result {
	r := Result{Cacheable: true}
	var acc uint32
	for pc := 0; ; pc++ {
		in := p[pc]
		r.Steps++
		var holds bool
		switch in.Op {
		case opRet:
			r.Return = in.K
			return r
		case opLoad:
			acc = d.word(in.K)
			r.Cacheable = r.Cacheable && in.K < 8
			continue
		case opAnd:
			acc &= in.K
			continue
		case opJump:
			pc += int(in.K)
			continue
		case opJEQ:
			holds = acc == in.K
		case opJGT:
			holds = acc > in.K
		case opJGE:
			holds = acc >= in.K
		case opJSET:
			holds = acc&in.K != 0
		}
		if holds {
			pc += int(in.JT)
		} else {
			pc += int(in.JF)
		}
	}
}
