package trace

import (
	"github.com/cilium/ebpf/asm"
	"golang.org/x/sys/unix"
)

// exit is the program at sys_exit(struct pt_regs *, long result). What a call
// has named is read here and not when it begins: the kernel has read it too,
// so that the memory is there.
func (c *code) exit(g group) {
	const program, number, result, path, start, tmp = slot(0), slot(1), slot(2), slot(3), slot(4), slot(6)
	c.emit(asm.LoadMem(asm.R8, asm.R1, 0, asm.DWord), asm.LoadMem(asm.R2, asm.R1, 8, asm.DWord))
	c.store(result, asm.R2)
	// First what leaves most calls alone.
	c.emit(asm.LoadMem(asm.R1, asm.R8, int16(c.at.number), asm.DWord))
	c.emit(asm.JGE.Imm(asm.R1, maxNumber, "out"))
	c.store(number, asm.R1)
	c.lookup(c.maps.calls, number)
	c.emit(asm.JEq.Imm(asm.R0, 0, "out"), asm.Mov.Reg(asm.R9, asm.R0))
	c.emit(
		asm.LoadMem(asm.R1, asm.R9, infoKind, asm.Byte),
		asm.JEq.Imm(asm.R1, int32(nothing), "out"), asm.JGE.Imm(asm.R1, int32(kindIDs), "out"),
	)
	c.effective(result, tmp)
	c.currentTask(g, tmp, "out")
	c.emit(asm.Mov.Reg(asm.R7, asm.R0))
	c.programOf(asm.R6, asm.R7)
	c.store(program, asm.R6)
	c.checking(asm.R1, asm.R7, 32)
	c.load(asm.R2, number)
	c.emit(asm.Or.Reg(asm.R1, asm.R2))
	c.store(number, asm.R1)
	c.foreign(asm.R1)
	c.emit(asm.JNE.Imm(asm.R1, 0, "out"))

	c.takeScratch(scratchExit, tmp, "out")
	c.head(nothing)
	c.identify(program, number)
	c.emit(asm.LoadMem(asm.R1, asm.R9, infoKind, asm.Byte), asm.StoreMem(asm.R6, eventKind, asm.R1, asm.DWord))
	c.plain(asm.R8, asm.R9)
	failed := c.name("failed")
	c.load(asm.R1, result)
	c.emit(asm.JSLT.Imm(asm.R1, 0, failed), set(asm.R6, eventSucceeded, 1))
	c.mark(failed)
	cases := []struct {
		kind kind
		emit func()
	}{
		{kindOpen, func() { c.openEvent(result, path, tmp) }},
		{kindPath, func() { c.pathEvent(path, start, tmp) }},
		{kindDescriptor, func() { c.descriptorEvent(path, tmp) }},
		{kindAddress, func() { c.addressEvent(path, tmp) }},
		{kindMessage, func() { c.messageEvent(start, tmp) }},
		{kindMessages, func() { c.messagesEvent(start, path, tmp) }},
		{kindListen, func() { c.socket(tmp) }},
		{kindLimit, func() { c.limitEvent(tmp) }},
		{kindSignal, func() { c.signalEvent(tmp) }},
		{kindAnswer, func() { c.answerEvent(result, start, tmp) }},
	}
	for _, one := range cases {
		next := c.name("kind")
		c.emit(asm.LoadMem(asm.R1, asm.R9, infoKind, asm.Byte), asm.JNE.Imm(asm.R1, int32(one.kind), next))
		one.emit()
		c.emit(asm.Ja.Label("emit"))
		c.mark(next)
	}
	c.emit(asm.Ja.Label("out"))
	c.mark("emit")
	c.emitEvent()
	c.emit(asm.Ja.Label("out"))
	c.mark("fail")
	c.count(unreadable, tmp)
	c.mark("out")
	c.finish()
	c.functions()
}

// effective leaves out what did nothing. Calls on files count where they have
// succeeded. A destination counts although nobody answered there; what the
// kernel has not even looked at does not. R1 is the kind.
func (c *code) effective(result, tmp slot) {
	some, all, opened := c.name("some"), c.name("effective"), c.name("opened")
	c.load(asm.R2, result)
	c.emit(asm.JNE.Imm(asm.R1, int32(kindOpen), opened), asm.JSGE.Imm(asm.R2, 0, all))
	// A check that was made for it must not pass for one of the next.
	c.emit(asm.FnGetCurrentPidTgid.Call())
	c.store(tmp, asm.R0)
	c.mapPointer(asm.R1, c.maps.override)
	c.address(asm.R2, tmp)
	c.emit(asm.FnMapDeleteElem.Call(), asm.Ja.Label("out"))
	c.mark(opened)
	// A header is the least that an answer has.
	answers := c.name("answers")
	c.emit(asm.JNE.Imm(asm.R1, int32(kindAnswer), answers), asm.JSLT.Imm(asm.R2, dnsHeader, "out"), asm.Ja.Label(all))
	c.mark(answers)
	c.emit(
		asm.JEq.Imm(asm.R1, int32(kindAddress), some), asm.JEq.Imm(asm.R1, int32(kindMessage), some),
		asm.JEq.Imm(asm.R1, int32(kindMessages), some), asm.JEq.Imm(asm.R1, int32(kindLimit), some),
		asm.JSLT.Imm(asm.R2, 0, "out"),
	)
	c.emit(asm.Ja.Label(all))
	c.mark(some)
	for _, errno := range []unix.Errno{unix.EFAULT, unix.EBADF, unix.ENOTSOCK, unix.EINVAL} {
		c.emit(asm.JEq.Imm(asm.R2, -int32(errno), "out"))
	}
	c.mark(all)
}

// openEvent: the path, the kind and the flags of the file that was opened.
func (c *code) openEvent(result, path, tmp slot) {
	l := c.at
	c.load(asm.R1, result)
	c.emit(asm.Call.Label(fnFile), asm.JEq.Imm(asm.R0, 0, "fail"), asm.Mov.Reg(asm.R8, asm.R0))
	c.read(asm.R1, tmp, asm.R8, l.fileFlags, 4)
	c.emit(asm.StoreMem(asm.R6, eventFlags, asm.R1, asm.DWord))
	c.read(asm.R1, tmp, asm.R8, l.fileMode, 4)
	const created = 1 << 20 // FMODE_CREATED (linux/fs.h)
	c.emit(asm.And.Imm(asm.R1, created), asm.StoreMem(asm.R6, eventCreated, asm.R1, asm.DWord))
	c.read(asm.R4, tmp, asm.R8, l.fileInode, 8)
	c.read(asm.R1, tmp, asm.R4, l.inodeMode, 2)
	c.emit(asm.StoreMem(asm.R6, eventMode, asm.R1, asm.DWord))
	c.emit(asm.Mov.Reg(asm.R1, asm.R8), asm.Add.Imm(asm.R1, int32(l.filePath)))
	c.store(path, asm.R1)
	c.walkPath(0, path, tmp, "fail")
	c.overridden(tmp)
}

// overridden adds what decides whether the capability that was looked for to
// open the file, in R8, was needed; see override.
func (c *code) overridden(tmp slot) {
	l := c.at
	none := c.name("none")
	c.emit(asm.FnGetCurrentPidTgid.Call())
	c.store(tmp, asm.R0)
	c.lookup(c.maps.override, tmp)
	c.emit(asm.JEq.Imm(asm.R0, 0, none))
	c.mapPointer(asm.R1, c.maps.override)
	c.address(asm.R2, tmp)
	c.emit(asm.FnMapDeleteElem.Call(), set(asm.R6, eventOverride, 1))
	c.read(asm.R8, tmp, asm.R8, l.fileInode, 8)
	c.read(asm.R1, tmp, asm.R8, l.inodeUID, 4)
	c.emit(asm.StoreMem(asm.R6, eventOwner, asm.R1, asm.Word))
	c.read(asm.R1, tmp, asm.R8, l.inodeGID, 4)
	c.emit(asm.StoreMem(asm.R6, eventOwner+4, asm.R1, asm.Word))
	c.ids(tmp)
	c.mark(none)
}

// descriptorEvent: the path of the open file that a call changes.
func (c *code) descriptorEvent(path, tmp slot) {
	c.emit(asm.LoadMem(asm.R1, asm.R8, int16(c.at.args[0]), asm.DWord))
	c.emit(asm.Call.Label(fnFile), asm.JEq.Imm(asm.R0, 0, "fail"), asm.Add.Imm(asm.R0, int32(c.at.filePath)))
	c.store(path, asm.R0)
	c.walkPath(0, path, tmp, "fail")
	c.maybeIDs(tmp)
}

// maybeIDs adds the caller's ids where the call's information, in R9, says so.
func (c *code) maybeIDs(tmp slot) {
	none := c.name("none")
	c.emit(asm.LoadMem(asm.R1, asm.R9, infoIDs, asm.Byte), asm.JEq.Imm(asm.R1, 0, none))
	c.ids(tmp)
	c.mark(none)
}

// pathEvent: up to two paths, each with the folder that it starts from.
func (c *code) pathEvent(path, start, tmp slot) {
	for i := range 2 {
		next := c.name("next")
		c.emit(asm.LoadMem(asm.R1, asm.R9, int16(infoPaths+2*i+1), asm.Byte), asm.JEq.Imm(asm.R1, noArg, next))
		c.argument(asm.R3, asm.R8, asm.R1)
		c.onePath(i, path, start, tmp)
		c.mark(next)
	}
	c.maybeIDs(tmp)
}

// onePath appends a path, whose address is in R3, as string 2*i and where it
// starts from as the next one. Without an address, as for utimensat(fd, NULL),
// it is the descriptor's file.
func (c *code) onePath(i int, path, start, tmp slot) {
	l := c.at
	relative, base := c.name("relative"), c.name("base")
	c.emit(asm.JEq.Imm(asm.R3, 0, relative))
	c.store(start, asm.R7)
	c.appendString(2*i, asm.FnProbeReadUserStr, "fail")
	c.load(asm.R2, start)
	c.emit(
		asm.And.Imm(asm.R2, maxOffset), asm.Mov.Reg(asm.R1, asm.R6), asm.Add.Reg(asm.R1, asm.R2),
		asm.LoadMem(asm.R2, asm.R1, 0, asm.Byte), asm.JNE.Imm(asm.R2, '/', relative),
	)
	// The root is the process's own, which chroot(2) may have changed.
	c.currentFolder(l.fsRoot)
	c.emit(asm.Ja.Label(base))

	c.mark(relative)
	working, descriptor := c.name("working"), c.name("descriptor")
	c.emit(asm.LoadMem(asm.R1, asm.R9, int16(infoPaths+2*i), asm.Byte), asm.JEq.Imm(asm.R1, noArg, working))
	c.argument(asm.R2, asm.R8, asm.R1)
	c.emit(asm.LSh.Imm(asm.R2, 32), asm.ArSh.Imm(asm.R2, 32), asm.JNE.Imm(asm.R2, unix.AT_FDCWD, descriptor))
	c.mark(working)
	c.currentFolder(l.fsPwd)
	c.emit(asm.Ja.Label(base))
	c.mark(descriptor)
	c.emit(asm.Mov.Reg(asm.R1, asm.R2), asm.Call.Label(fnFile), asm.JEq.Imm(asm.R0, 0, "fail"))
	c.emit(asm.Add.Imm(asm.R0, int32(l.filePath)), asm.Mov.Reg(asm.R1, asm.R0))

	c.mark(base)
	c.store(path, asm.R1)
	c.walkPath(2*i+1, path, tmp, "fail")
}

// currentFolder leaves in R1 the address of a struct path of the current
// process's struct fs_struct.
func (c *code) currentFolder(offset uint32) {
	c.emit(
		asm.FnGetCurrentTaskBtf.Call(),
		asm.LoadMem(asm.R1, asm.R0, int16(c.at.taskFS), asm.DWord),
		asm.Add.Imm(asm.R1, int32(offset)),
	)
}
