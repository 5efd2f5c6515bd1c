package trace

import (
	"slices"

	"github.com/cilium/ebpf/asm"
)

// group is a control group to watch, or 0 for none.
type group struct {
	// ID is the inode number of its folder, Level how deep it is below the
	// root's.
	ID    uint64
	Level int32
	// Mounts is the inode number of the container's mount namespace: whoever
	// comes into the group with a program from elsewhere is the engine's.
	Mounts uint32
}

// currentTask leaves a pointer to the current process's task in R0 and goes
// to a label where it is not watched. A process of the control group that has
// not been seen before is watched from now on.
func (c *code) currentTask(g group, key slot, not string) {
	const value = 4 // places below key
	found := c.name("found")
	c.emit(asm.FnGetCurrentPidTgid.Call(), asm.RSh.Imm(asm.R0, 32), asm.StoreMem(asm.R10, key.offset(), asm.R0, asm.DWord))
	c.lookup(c.maps.tasks, key)
	if g.ID == 0 {
		c.emit(asm.JEq.Imm(asm.R0, 0, not))
	} else {
		c.emit(asm.JNE.Imm(asm.R0, 0, found))
		c.emit(asm.Mov.Imm(asm.R1, g.Level), asm.FnGetCurrentAncestorCgroupId.Call())
		c.emit(asm.LoadImm(asm.R1, int64(g.ID), asm.DWord), asm.JNE.Reg(asm.R0, asm.R1, not))
		// The value is a program that is not known, and a state.
		c.newcomer(g, key+value-1, key+value)
		c.emit(set(asm.R10, (key + value).offset(), 0))
		c.insert(c.maps.tasks, key, key+value)
		c.lookup(c.maps.tasks, key)
		c.emit(asm.JNE.Imm(asm.R0, 0, found))
		c.count(lostTask, key+value)
		c.emit(asm.Ja.Label(not))
		c.mark(found)
	}
	c.emit(asm.LoadMem(asm.R1, asm.R0, 8, asm.DWord), asm.And.Imm(asm.R1, watched), asm.JEq.Imm(asm.R1, 0, not))
}

// newcomer writes the state of a process that has come into the group.
func (c *code) newcomer(g group, state, tmp slot) {
	l := c.at
	engines := c.name("engines")
	c.emit(set(asm.R10, state.offset(), engine))
	c.emit(asm.FnGetCurrentTask.Call(), asm.Mov.Reg(asm.R4, asm.R0))
	for _, offset := range []uint32{l.taskMM, l.mmExe, l.filePath + l.pathMount} {
		c.read(asm.R4, tmp, asm.R4, offset, 8)
	}
	c.emit(asm.Sub.Imm(asm.R4, int32(l.mountVFS)))
	c.read(asm.R4, tmp, asm.R4, l.mountNS, 8)
	c.read(asm.R4, tmp, asm.R4, l.mountNSNumber, 4)
	c.emit(asm.LoadImm(asm.R1, int64(g.Mounts), asm.DWord), asm.JNE.Reg(asm.R4, asm.R1, engines))
	c.emit(set(asm.R10, state.offset(), watched))
	c.mark(engines)
}

// checking loads whether the task in a register is of a health check, as a bit.
func (c *code) checking(to, task asm.Register, bit int32) {
	c.emit(asm.LoadMem(to, task, 8, asm.DWord), asm.RSh.Imm(to, 1), asm.And.Imm(to, 1), asm.LSh.Imm(to, bit))
}

// programOf loads the program of the task in a register, finding it out where
// it is not known yet.
func (c *code) programOf(to, task asm.Register) {
	known := c.name("known")
	c.emit(asm.LoadMem(to, task, 0, asm.DWord), asm.JNE.Imm(to, 0, known))
	c.emit(asm.Call.Label(fnSelf), asm.Mov.Reg(to, asm.R0), asm.StoreMem(task, 0, asm.R0, asm.DWord))
	c.mark(known)
}

// foreign leaves in a register whether the call is one of a 32-bit process.
func (c *code) foreign(to asm.Register) {
	c.emit(
		asm.FnGetCurrentTaskBtf.Call(),
		asm.LoadMem(to, asm.R0, int16(c.at.taskCompat), asm.Word),
		asm.And.Imm(to, int32(c.at.compatBit)),
	)
}

// enter is the program at sys_enter(struct pt_regs *, long number).
func (c *code) enter(g group) {
	// The key of a count is three places up from its last.
	const (
		key                   = slot(4)
		number, first, second = slot(3), slot(2), slot(1)
		value                 = slot(6)
		tmp, infoSlot         = slot(8), slot(9)
	)
	counting, mine := c.name("counting"), c.name("mine")
	c.emit(asm.LoadMem(asm.R8, asm.R1, 0, asm.DWord), asm.LoadMem(asm.R9, asm.R1, 8, asm.DWord))
	c.seldom(mine, tmp)
	c.mark(mine)
	c.currentTask(g, tmp, "out")
	c.emit(asm.Mov.Reg(asm.R7, asm.R0))
	c.programOf(asm.R6, asm.R7)
	c.store(key, asm.R6)
	for _, s := range []slot{number, first, second} {
		c.emit(set(asm.R10, s.offset(), 0))
	}
	c.emit(asm.StoreMem(asm.R10, number.offset(), asm.R9, asm.Word))
	c.foreign(asm.R2)
	c.checking(asm.R1, asm.R7, 0)
	c.emit(asm.Or.Reg(asm.R1, asm.R2))
	c.emit(asm.StoreMem(asm.R10, number.offset()+4, asm.R1, asm.Word), asm.Mov.Imm(asm.R7, 0))
	c.emit(asm.JNE.Imm(asm.R2, 0, counting), asm.JGE.Imm(asm.R9, maxNumber, counting))
	c.emit(asm.StoreMem(asm.R10, tmp.offset(), asm.R9, asm.Word))
	c.lookup(c.maps.calls, tmp)
	c.emit(asm.JEq.Imm(asm.R0, 0, counting), asm.Mov.Reg(asm.R7, asm.R0))
	for i, s := range []slot{first, second} {
		none := c.name("none")
		c.emit(asm.LoadMem(asm.R1, asm.R7, int16(infoCounted+i), asm.Byte), asm.JEq.Imm(asm.R1, noArg, none))
		c.argument(asm.R2, asm.R8, asm.R1)
		c.emit(asm.LoadMem(asm.R3, asm.R7, int16(infoMasks+8*i), asm.DWord), asm.And.Reg(asm.R2, asm.R3))
		c.store(s, asm.R2)
		c.mark(none)
	}
	c.mark(counting)
	c.tally(c.maps.counts, key, value, tmp)
	c.emit(asm.JEq.Imm(asm.R7, 0, "out"))
	c.emit(asm.LoadMem(asm.R1, asm.R7, infoKind, asm.Byte), asm.JLT.Imm(asm.R1, int32(kindIDs), "out"))
	c.idsEvent(key, number, tmp, infoSlot)
	c.mark("fail")
	c.count(unreadable, tmp)
	c.mark("out")
	c.finish()
	c.functions()
}

// seldom ends the program at once for the calls that are not counted, of
// whatever process: with R8 the registers and R9 the number it is a few
// instructions and no call, which take longest. A 64-bit process that makes a
// call of 32 bits all the same (int $0x80) is taken for one that does not.
func (c *code) seldom(other string, tmp slot) {
	l := c.at
	c.emit(asm.JGE.Imm(asm.R9, maxNumber, other))
	c.emit(
		asm.LoadMem(asm.R1, asm.R8, int16(l.mode), asm.Half),
		asm.And.Imm(asm.R1, int32(l.modeMask)), asm.JNE.Imm(asm.R1, int32(l.modeNative), other),
	)
	c.emit(asm.StoreMem(asm.R10, tmp.offset(), asm.R9, asm.Word))
	c.lookup(c.maps.calls, tmp)
	c.emit(
		asm.JEq.Imm(asm.R0, 0, other),
		asm.LoadMem(asm.R1, asm.R0, infoAlways, asm.Byte), asm.JNE.Imm(asm.R1, 0, "out"),
	)
}

// idsEvent sends the event of a call that is about to change ids. R7 is the
// call's information, R8 the registers.
func (c *code) idsEvent(program, number, tmp, info slot) {
	none := c.name("none")
	c.emit(asm.Mov.Reg(asm.R9, asm.R7))
	c.takeScratch(scratchEnter, tmp, "out")
	c.head(kindIDs)
	c.identify(program, number)
	c.plain(asm.R8, asm.R9)
	c.ids(tmp)
	c.emit(asm.LoadMem(asm.R1, asm.R9, infoAddress, asm.Byte), asm.JEq.Imm(asm.R1, noArg, none))
	// setgroups(size, list): a list that is too long the kernel refuses too,
	// or nobody uses.
	c.argument(asm.R3, asm.R8, asm.R1)
	c.emit(asm.LoadMem(asm.R2, asm.R6, eventArgs, asm.DWord))
	c.emit(asm.LSh.Imm(asm.R2, 32), asm.RSh.Imm(asm.R2, 32))
	c.emit(asm.JEq.Imm(asm.R2, 0, none), asm.JGT.Imm(asm.R2, maxString/4, "fail"), asm.LSh.Imm(asm.R2, 2))
	c.appendMemory(3, tmp, asm.FnProbeReadUser, "fail")
	c.mark(none)
	c.emit(asm.LoadMem(asm.R1, asm.R9, infoKind, asm.Byte), asm.StoreMem(asm.R6, eventKind, asm.R1, asm.DWord))
	c.emitEvent()
	c.emit(asm.Ja.Label("out"))
}

// functions adds those that are called. The kernel takes no code that is never
// reached.
func (c *code) functions() {
	for _, f := range []struct {
		name  string
		write func()
	}{
		{fnSelf, c.self}, {fnSend, c.send}, {fnWalk, c.walk}, {fnFile, c.file},
	} {
		if slices.ContainsFunc(c.Instructions, func(i asm.Instruction) bool { return i.IsFunctionCall() && i.Reference() == f.name }) {
			f.write()
		}
	}
}
