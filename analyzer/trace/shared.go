package trace

import "github.com/cilium/ebpf/asm"

// Functions that several programs have. Arguments are in R1 to R5.
const (
	fnWalk = "walk"
	fnFile = "file"
	fnSend = "send"
	fnSelf = "self"
)

// maxDepth bounds how many folders a file is below the root.
const maxDepth = 64

// walk writes the names on the way from an entry of a folder up to the root
// of its mounts, each with a zero after it, into scratch memory. What is in no
// folder, as a pipe or an anonymous file is, gets a second zero.
//
//	R1 scratch memory, R2 where in it, R3 struct dentry, R4 struct vfsmount
//	R0 where the next string may start, not aligned, or -1
func (c *code) walk() {
	const turn, parent, other, above = slot(0), slot(1), slot(2), slot(3)
	l := c.at
	next, up, alone, done, fail := c.name("next"), c.name("up"), c.name("alone"), c.name("done"), c.name("fail")
	c.mark(fnWalk)
	c.emit(asm.Mov.Reg(asm.R6, asm.R1), asm.Mov.Reg(asm.R7, asm.R2), asm.Mov.Reg(asm.R8, asm.R3), asm.Mov.Reg(asm.R9, asm.R4))
	c.emit(set(asm.R10, turn.offset(), 0), asm.StoreMem(asm.R6, eventTime, asm.R7, asm.DWord))

	c.mark(next)
	c.emit(mayGoto(fail))
	c.load(asm.R1, turn)
	c.emit(asm.JGE.Imm(asm.R1, maxDepth, fail), asm.Add.Imm(asm.R1, 1))
	c.store(turn, asm.R1)
	// The verifier is not to know where this is, or every turn would be another
	// one to it: what it has from a map it takes for any number.
	c.emit(asm.LoadMem(asm.R7, asm.R6, eventTime, asm.DWord), asm.And.Imm(asm.R7, maxOffset))
	// At the root of a mount the way goes on where that is mounted.
	c.read(asm.R1, other, asm.R9, l.vfsmountRoot, 8)
	c.emit(asm.JNE.Reg(asm.R1, asm.R8, up))
	c.emit(asm.Sub.Imm(asm.R9, int32(l.mountVFS)))
	c.read(asm.R1, parent, asm.R9, l.mountParent, 8)
	c.emit(asm.JEq.Reg(asm.R1, asm.R9, done))
	c.read(asm.R8, other, asm.R9, l.mountPoint, 8)
	c.load(asm.R9, parent)
	c.emit(asm.Add.Imm(asm.R9, int32(l.mountVFS)), asm.Ja.Label(next))

	c.mark(up)
	c.read(asm.R1, above, asm.R8, l.dentryParent, 8)
	c.emit(asm.JEq.Imm(asm.R1, 0, fail), asm.JGT.Imm(asm.R7, lastStart, fail))
	c.read(asm.R3, other, asm.R8, l.dentryName, 8)
	c.emit(
		asm.Mov.Reg(asm.R1, asm.R6), asm.Add.Reg(asm.R1, asm.R7), asm.Mov.Imm(asm.R2, 256),
		asm.FnProbeReadKernelStr.Call(),
		asm.JSLE.Imm(asm.R0, 0, fail),
		asm.Add.Reg(asm.R7, asm.R0),
		asm.StoreMem(asm.R6, eventTime, asm.R7, asm.DWord),
	)
	c.load(asm.R1, above)
	c.emit(asm.JEq.Reg(asm.R1, asm.R8, alone), asm.Mov.Reg(asm.R8, asm.R1), asm.Ja.Label(next))

	c.mark(alone)
	c.emit(
		asm.Mov.Reg(asm.R1, asm.R6), asm.Add.Reg(asm.R1, asm.R7), asm.StoreImm(asm.R1, 0, 0, asm.Byte),
		asm.Add.Imm(asm.R7, 1), asm.Ja.Label(done),
	)
	c.mark(fail)
	c.emit(asm.Mov.Imm(asm.R0, -1), asm.Return())
	c.mark(done)
	c.emit(asm.Mov.Reg(asm.R0, asm.R7), asm.Return())
}

// file finds the open file behind a descriptor of the current process.
//
//	R1 descriptor
//	R0 struct file, or 0
func (c *code) file() {
	const tmp = slot(0)
	l := c.at
	none := c.name("none")
	c.mark(fnFile)
	// Descriptors are of 32 bits; a negative one is above every table's size.
	c.emit(asm.Mov.Reg(asm.R8, asm.R1), asm.LSh.Imm(asm.R8, 32), asm.RSh.Imm(asm.R8, 32))
	c.emit(asm.FnGetCurrentTask.Call(), asm.Mov.Reg(asm.R9, asm.R0))
	c.read(asm.R9, tmp, asm.R9, l.taskFiles, 8)
	c.read(asm.R9, tmp, asm.R9, l.filesTable, 8)
	c.read(asm.R1, tmp, asm.R9, l.tableSize, 4)
	c.emit(asm.JGE.Reg(asm.R8, asm.R1, none))
	c.read(asm.R9, tmp, asm.R9, l.tableFiles, 8)
	c.emit(asm.LSh.Imm(asm.R8, 3), asm.Add.Reg(asm.R9, asm.R8))
	c.read(asm.R0, tmp, asm.R9, 0, 8)
	c.emit(asm.Return())
	c.mark(none)
	c.emit(asm.Mov.Imm(asm.R0, 0), asm.Return())
}

// send counts an event, and hands it over if it was not there before.
//
//	R1 scratch memory, R2 the event's length, a multiple of eight
//	R0 the first half of its hash
func (c *code) send() {
	// Twice a hash of eight bytes at a time by an odd factor; the start of
	// both is a secret of this recording, so that a container cannot look
	// for names with the same hash.
	factors := [2]uint64{0x9E3779B97F4A7C15, 0xC2B2AE3D27D4EB4F}
	const hash2, hash1, first, one, number = slot(0), slot(1), slot(2), slot(3), slot(4)
	next, hashed, known, fresh, hand, out := c.name("next"), c.name("hashed"), c.name("known"), c.name("fresh"), c.name("hand"), c.name("out")
	c.mark(fnSend)
	c.emit(asm.Mov.Reg(asm.R6, asm.R1), asm.Mov.Reg(asm.R7, asm.R2))
	c.emit(asm.LoadImm(asm.R8, int64(c.seed[0]), asm.DWord), asm.LoadImm(asm.R9, int64(c.seed[1]), asm.DWord))
	c.emit(asm.LoadImm(asm.R4, int64(factors[0]), asm.DWord), asm.LoadImm(asm.R5, int64(factors[1]), asm.DWord))
	// As in walk, the verifier is not to know where it is.
	c.emit(set(asm.R6, eventAgain, eventHashed), asm.LoadMem(asm.R3, asm.R6, eventAgain, asm.DWord))
	c.mark(next)
	c.emit(mayGoto(hashed))
	c.emit(asm.JGE.Reg(asm.R3, asm.R7, hashed), asm.JGT.Imm(asm.R3, scratchSize-8, hashed))
	c.emit(
		asm.Mov.Reg(asm.R1, asm.R6), asm.Add.Reg(asm.R1, asm.R3), asm.LoadMem(asm.R2, asm.R1, 0, asm.DWord),
		asm.Xor.Reg(asm.R8, asm.R2), asm.Mul.Reg(asm.R8, asm.R4),
		asm.Mov.Reg(asm.R0, asm.R8), asm.RSh.Imm(asm.R0, 29), asm.Xor.Reg(asm.R8, asm.R0),
		asm.Add.Reg(asm.R9, asm.R2), asm.Mul.Reg(asm.R9, asm.R5),
		asm.Mov.Reg(asm.R0, asm.R9), asm.RSh.Imm(asm.R0, 32), asm.Xor.Reg(asm.R9, asm.R0),
		asm.Add.Imm(asm.R3, 8), asm.Ja.Label(next),
	)
	c.mark(hashed)
	c.store(hash1, asm.R8)
	c.store(hash2, asm.R9)
	c.emit(asm.StoreMem(asm.R6, eventHash, asm.R8, asm.DWord), asm.StoreMem(asm.R6, eventHash+8, asm.R9, asm.DWord))
	c.emit(set(asm.R6, eventAgain, 0))
	c.lookup(c.maps.names, hash1)
	c.emit(asm.JEq.Imm(asm.R0, 0, fresh))
	c.mark(known)
	c.emit(asm.Mov.Imm(asm.R1, 1), asm.StoreXAdd(asm.R0, asm.R1, asm.DWord), asm.Ja.Label(out))

	c.mark(fresh)
	c.emit(asm.FnKtimeGetNs.Call(), asm.StoreMem(asm.R6, eventTime, asm.R0, asm.DWord))
	c.store(first, asm.R0)
	c.emit(set(asm.R10, one.offset(), 1))
	c.emit(asm.FnGetCurrentPidTgid.Call(), asm.StoreMem(asm.R6, eventThread, asm.R0, asm.DWord))
	c.insert(c.maps.names, hash1, one)
	c.emit(asm.JEq.Imm(asm.R0, 0, hand))
	// Another processor may have been faster.
	c.lookup(c.maps.names, hash1)
	c.emit(asm.JNE.Imm(asm.R0, 0, known))
	// The map is full: the event is sent each time from now on.
	c.emit(set(asm.R6, eventAgain, 1))

	c.mark(hand)
	c.mapPointer(asm.R1, c.maps.ring)
	c.emit(
		asm.Mov.Reg(asm.R2, asm.R6), asm.Mov.Reg(asm.R3, asm.R7), asm.Mov.Imm(asm.R4, 0),
		asm.JGT.Imm(asm.R3, scratchSize, out), asm.JLT.Imm(asm.R3, eventData, out),
		asm.FnRingbufOutput.Call(),
		asm.JEq.Imm(asm.R0, 0, out),
	)
	c.count(lostName, number)
	// What was not handed over must not pass for known.
	c.mapPointer(asm.R1, c.maps.names)
	c.address(asm.R2, hash1)
	c.emit(asm.FnMapDeleteElem.Call())
	c.mark(out)
	c.load(asm.R0, hash1)
	c.emit(asm.Return())
}

// insert adds an entry to a map that must not be there yet. R0 is 0 then.
func (c *code) insert(m mapFD, key, value slot) {
	const noExist = 1 // BPF_NOEXIST
	c.emit(asm.LoadMapPtr(asm.R1, m.FD()))
	c.address(asm.R2, key)
	c.address(asm.R3, value)
	c.emit(asm.Mov.Imm(asm.R4, noExist), asm.FnMapUpdateElem.Call())
}

type mapFD interface{ FD() int }

// tally adds 1 to the entry of a map, which it makes where there is none. The
// value to insert goes to the place two above value on the stack.
func (c *code) tally(m mapFD, key, value, tmp slot) {
	add, done := c.name("add"), c.name("tallied")
	find := func() {
		c.emit(asm.LoadMapPtr(asm.R1, m.FD()))
		c.address(asm.R2, key)
		c.emit(asm.FnMapLookupElem.Call(), asm.JNE.Imm(asm.R0, 0, add))
	}
	find()
	c.emit(set(asm.R10, value.offset(), 1), asm.FnKtimeGetNs.Call())
	c.store(value-1, asm.R0)
	c.insert(m, key, value)
	c.emit(asm.JEq.Imm(asm.R0, 0, done))
	find() // another processor may have been faster
	c.count(lostCount, tmp)
	c.emit(asm.Ja.Label(done))
	c.mark(add)
	c.emit(asm.Mov.Imm(asm.R1, 1), asm.StoreXAdd(asm.R0, asm.R1, asm.DWord))
	c.mark(done)
}

// self makes an event of the program that the current process runs.
//
//	R0 the program's hash, or 1 where it has none
func (c *code) self() {
	const path, key, tmp = slot(0), slot(1), slot(3)
	l := c.at
	unknown := c.name("unknown")
	c.mark(fnSelf)
	c.takeScratch(scratchProgram, key, unknown)
	c.head(kindProgram)
	c.emit(asm.FnGetCurrentTask.Call(), asm.Mov.Reg(asm.R9, asm.R0))
	c.read(asm.R9, tmp, asm.R9, l.taskMM, 8)
	c.read(asm.R9, tmp, asm.R9, l.mmExe, 8)
	c.emit(asm.JEq.Imm(asm.R9, 0, unknown), asm.Add.Imm(asm.R9, int32(l.filePath)))
	c.store(path, asm.R9)
	c.walkPath(0, path, tmp, unknown)
	c.emitEvent()
	c.emit(asm.Return())
	c.mark(unknown)
	c.count(unreadable, tmp)
	c.emit(asm.Mov.Imm(asm.R0, 1), asm.Return())
}
