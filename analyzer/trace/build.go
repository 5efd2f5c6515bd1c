package trace

import "github.com/cilium/ebpf/asm"

// What follows writes events. In all of it R6 is the scratch memory and R7
// where in it the next string starts.

// takeScratch has R6 point to scratch memory.
func (c *code) takeScratch(which int, key slot, fail string) {
	c.emit(asm.StoreImm(asm.R10, key.offset(), int64(which), asm.Word))
	c.lookup(c.maps.scratch, key)
	c.emit(asm.JEq.Imm(asm.R0, 0, fail), asm.Mov.Reg(asm.R6, asm.R0))
}

// head clears an event's numbers.
func (c *code) head(k kind) {
	for at := eventHashed; at < eventData; at += 8 {
		value := int64(0)
		if at == eventKind {
			value = int64(k)
		}
		c.emit(set(asm.R6, int16(at), value))
	}
	c.emit(asm.Mov.Imm(asm.R7, eventData))
}

// appended takes what R0 says is the length of a string that has been written
// at R7: it is kept, what is left of the last eight bytes is cleared, for it
// is hashed too, and R7 moves on.
func (c *code) appended(n int, fail string) {
	c.emit(
		asm.StoreMem(asm.R6, int16(eventLengths+8*n), asm.R0, asm.DWord),
		asm.Add.Reg(asm.R7, asm.R0),
		asm.And.Imm(asm.R7, 0x7fff),
		asm.JGT.Imm(asm.R7, maxOffset+maxString, fail),
		asm.Mov.Reg(asm.R1, asm.R6), asm.Add.Reg(asm.R1, asm.R7),
		set(asm.R1, 0, 0),
		asm.Add.Imm(asm.R7, 7), asm.And.Imm(asm.R7, 0x7ff8),
	)
}

// room fails where no further string can start.
func (c *code) room(fail string) {
	c.emit(asm.JGT.Imm(asm.R7, lastStart, fail))
}

// appendString reads a string at the address in R3, which is one of the
// calling process or of the kernel.
func (c *code) appendString(n int, read asm.BuiltinFunc, fail string) {
	c.room(fail)
	c.emit(
		asm.Mov.Reg(asm.R1, asm.R6), asm.Add.Reg(asm.R1, asm.R7), asm.Mov.Imm(asm.R2, maxString),
		read.Call(),
		asm.JSLE.Imm(asm.R0, 0, fail),
	)
	c.appended(n, fail)
}

// walkPath appends the way to what a struct path is, whose address is at a
// place on the stack.
func (c *code) walkPath(n int, path, tmp slot, fail string) {
	c.room(fail)
	c.load(asm.R4, path)
	c.read(asm.R3, tmp, asm.R4, c.at.pathDentry, 8)
	c.store(tmp-1, asm.R3)
	c.load(asm.R4, path)
	c.read(asm.R4, tmp, asm.R4, c.at.pathMount, 8)
	c.load(asm.R3, tmp-1)
	c.emit(asm.Mov.Reg(asm.R1, asm.R6), asm.Mov.Reg(asm.R2, asm.R7), asm.Call.Label(fnWalk))
	c.emit(asm.JSLT.Imm(asm.R0, 0, fail), asm.Sub.Reg(asm.R0, asm.R7))
	c.appended(n, fail)
}

// emitEvent hands the event over.
func (c *code) emitEvent() {
	c.emit(asm.Mov.Reg(asm.R1, asm.R6), asm.Mov.Reg(asm.R2, asm.R7), asm.Call.Label(fnSend))
}

// argument loads the argument of a call whose position is in a register; one
// that is none is 0. regs is the caller's struct pt_regs.
func (c *code) argument(to, regs, position asm.Register) {
	done := c.name("argument")
	for i, at := range c.at.args {
		next := c.name("next")
		c.emit(
			asm.JNE.Imm(position, int32(i), next),
			asm.LoadMem(to, regs, int16(at), asm.DWord),
			asm.Ja.Label(done),
		)
		c.mark(next)
	}
	c.emit(asm.Mov.Imm(to, 0))
	c.mark(done)
}

// appendMemory reads memory of a length in R2, which is at most maxString, at
// the address in R3.
func (c *code) appendMemory(n int, tmp slot, read asm.BuiltinFunc, fail string) {
	c.room(fail)
	c.store(tmp, asm.R2)
	c.emit(
		asm.Mov.Reg(asm.R1, asm.R6), asm.Add.Reg(asm.R1, asm.R7),
		read.Call(),
		asm.JNE.Imm(asm.R0, 0, fail),
	)
	c.load(asm.R0, tmp)
	c.appended(n, fail)
}

// identify writes the program and the call of an event.
func (c *code) identify(program, number slot) {
	c.load(asm.R1, program)
	c.emit(asm.StoreMem(asm.R6, eventProgram, asm.R1, asm.DWord))
	c.load(asm.R1, number)
	c.emit(asm.StoreMem(asm.R6, eventNumber, asm.R1, asm.DWord))
}

// plain writes those arguments of a call that are no addresses.
func (c *code) plain(regs, info asm.Register) {
	for i, at := range c.at.args {
		not := c.name("not")
		c.emit(
			asm.LoadMem(asm.R1, info, infoPlain, asm.Byte),
			asm.And.Imm(asm.R1, 1<<i),
			asm.JEq.Imm(asm.R1, 0, not),
			asm.LoadMem(asm.R1, regs, int16(at), asm.DWord),
			asm.StoreMem(asm.R6, int16(eventArgs+8*i), asm.R1, asm.DWord),
		)
		c.mark(not)
	}
}

// ids writes the caller's ids and effective capabilities, and its groups as
// string 2. It is about the current process.
func (c *code) ids(tmp slot) {
	const most = maxString / 4
	l := c.at
	none := c.name("none")
	c.emit(asm.FnGetCurrentTaskBtf.Call(), asm.LoadMem(asm.R1, asm.R0, int16(l.taskCred), asm.DWord))
	for i, at := range l.credIDs {
		c.emit(asm.LoadMem(asm.R2, asm.R1, int16(at), asm.Word), asm.StoreMem(asm.R6, int16(eventIDs+4*i), asm.R2, asm.Word))
	}
	c.emit(asm.LoadMem(asm.R2, asm.R1, int16(l.credEffective), asm.DWord), asm.StoreMem(asm.R6, eventCaps, asm.R2, asm.DWord))
	c.emit(asm.LoadMem(asm.R3, asm.R1, int16(l.credGroups), asm.DWord))
	c.emit(asm.LoadMem(asm.R2, asm.R3, int16(l.groupsCount), asm.Word))
	c.emit(asm.JEq.Imm(asm.R2, 0, none), asm.JGT.Imm(asm.R2, most, "fail"), asm.LSh.Imm(asm.R2, 2))
	c.emit(asm.Add.Imm(asm.R3, int32(l.groupsList)))
	c.appendMemory(2, tmp, asm.FnProbeReadKernel, "fail")
	c.mark(none)
}
