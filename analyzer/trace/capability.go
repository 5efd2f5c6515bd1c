package trace

import (
	"github.com/cilium/ebpf/asm"
	"golang.org/x/sys/unix"
)

// check is the program at cap_capable(const struct cred *, struct
// user_namespace *target, const struct user_namespace *capable, int cap,
// int result). A check counts where the container's own ids had the
// capability and it was for the container's own user namespace: what a process
// may do in a namespace that it has made itself is nothing that was granted.
// Neither is what overlayfs does on the layers below with the ids of whoever
// has mounted it: the process has ids that are not its own then.
func (c *code) check(g group, userNS uint32) {
	const (
		key                         = slot(3)
		number, first, second       = slot(2), slot(1), slot(0)
		value, context, thread, tmp = slot(5), slot(6), slot(7), slot(9)
		checking                    = slot(8)
	)
	l := c.at
	granted, tally, notSearched, compat, other := c.name("granted"), c.name("tally"), c.name("not"), c.name("compat"), c.name("other")
	c.store(context, asm.R1)
	c.emit(asm.FnGetCurrentTaskBtf.Call(), asm.LoadMem(asm.R4, asm.R0, int16(l.taskRealCred), asm.DWord))
	c.load(asm.R1, context)
	c.emit(asm.LoadMem(asm.R2, asm.R1, 0, asm.DWord), asm.LoadMem(asm.R3, asm.R1, 8, asm.DWord))
	c.emit(asm.JNE.Reg(asm.R2, asm.R4, "out"))
	c.emit(asm.LoadMem(asm.R2, asm.R2, int16(l.credUserNS), asm.DWord), asm.JNE.Reg(asm.R2, asm.R3, "out"))
	c.emit(asm.LoadMem(asm.R3, asm.R3, int16(l.userNSNumber), asm.Word), asm.LoadImm(asm.R4, int64(userNS), asm.DWord))
	c.emit(asm.JNE.Reg(asm.R3, asm.R4, "out"))
	c.currentTask(g, tmp, "out")
	c.emit(asm.Mov.Reg(asm.R7, asm.R0))
	c.programOf(asm.R6, asm.R7)
	c.store(key, asm.R6)
	c.checking(asm.R1, asm.R7, 16)
	c.store(checking, asm.R1)
	for _, s := range []slot{first, second} {
		c.emit(set(asm.R10, s.offset(), 0))
	}
	c.load(asm.R1, context)
	c.emit(asm.LoadMem(asm.R6, asm.R1, 24, asm.DWord), asm.LoadMem(asm.R7, asm.R1, 32, asm.DWord))
	c.emit(asm.LSh.Imm(asm.R7, 32), asm.RSh.Imm(asm.R7, 32))
	// The call that is being made is the one in the registers; of a page
	// fault and the like there is none.
	c.emit(asm.FnGetCurrentTaskBtf.Call(), asm.Mov.Reg(asm.R1, asm.R0), asm.FnTaskPtRegs.Call(), asm.Mov.Reg(asm.R8, asm.R0))
	c.emit(asm.LoadMem(asm.R9, asm.R8, int16(l.number), asm.DWord))
	c.emit(asm.StoreMem(asm.R10, number.offset(), asm.R9, asm.Word), asm.StoreMem(asm.R10, number.offset()+4, asm.R6, asm.Word))
	c.emit(asm.FnGetCurrentPidTgid.Call())
	c.store(thread, asm.R0)
	c.emit(asm.JEq.Imm(asm.R7, 0, granted))

	// Where the lesser capability to search and read is not there, the
	// kernel looks for the greater one next. The lesser would have done.
	c.emit(asm.JNE.Imm(asm.R6, unix.CAP_DAC_READ_SEARCH, "out"))
	c.store(value, asm.R9)
	c.mapPointer(asm.R1, c.maps.refused)
	c.address(asm.R2, thread)
	c.address(asm.R3, value)
	c.emit(asm.Mov.Imm(asm.R4, 0), asm.FnMapUpdateElem.Call(), asm.Ja.Label("out"))

	c.mark(granted)
	c.emit(asm.JNE.Imm(asm.R6, unix.CAP_DAC_OVERRIDE, notSearched))
	c.lookup(c.maps.refused, thread)
	c.emit(asm.JEq.Imm(asm.R0, 0, notSearched), asm.LoadMem(asm.R1, asm.R0, 0, asm.DWord))
	c.store(tmp, asm.R1)
	c.mapPointer(asm.R1, c.maps.refused)
	c.address(asm.R2, thread)
	c.emit(asm.FnMapDeleteElem.Call())
	c.load(asm.R1, tmp)
	c.emit(asm.JNE.Reg(asm.R1, asm.R9, notSearched))
	c.emit(asm.StoreImm(asm.R10, number.offset()+4, unix.CAP_DAC_READ_SEARCH, asm.Word))
	c.mark(notSearched)

	c.foreign(asm.R1)
	c.emit(asm.JNE.Imm(asm.R1, 0, compat))
	c.emit(asm.JGE.Imm(asm.R9, maxNumber, tally), asm.StoreMem(asm.R10, tmp.offset(), asm.R9, asm.Word))
	c.lookup(c.maps.calls, tmp)
	c.emit(asm.JEq.Imm(asm.R0, 0, tally), asm.Mov.Reg(asm.R7, asm.R0))
	// Whether a file could have been opened without is for its event to say.
	c.emit(asm.LoadMem(asm.R1, asm.R7, infoKind, asm.Byte), asm.JNE.Imm(asm.R1, int32(kindOpen), other))
	c.emit(asm.LoadMem(asm.R1, asm.R10, number.offset()+4, asm.Word), asm.JNE.Imm(asm.R1, unix.CAP_DAC_OVERRIDE, other))
	c.emit(set(asm.R10, value.offset(), 1))
	c.mapPointer(asm.R1, c.maps.override)
	c.address(asm.R2, thread)
	c.address(asm.R3, value)
	c.emit(asm.Mov.Imm(asm.R4, 0), asm.FnMapUpdateElem.Call(), asm.Ja.Label("out"))
	c.mark(other)
	for i, s := range []slot{first, second} {
		none := c.name("none")
		c.emit(asm.LoadMem(asm.R1, asm.R7, int16(infoChecked+i), asm.Byte), asm.JEq.Imm(asm.R1, noArg, none))
		c.argument(asm.R2, asm.R8, asm.R1)
		c.emit(asm.LoadMem(asm.R3, asm.R7, int16(infoCheckMasks+8*i), asm.DWord), asm.And.Reg(asm.R2, asm.R3))
		c.store(s, asm.R2)
		c.mark(none)
	}
	c.emit(asm.Ja.Label(tally))
	c.mark(compat)
	// The numbers of 32-bit processes are others.
	c.emit(asm.StoreImm(asm.R10, number.offset(), foreignCall, asm.Word))
	c.mark(tally)
	c.load(asm.R1, checking)
	c.emit(asm.LoadMem(asm.R2, asm.R10, number.offset()+4, asm.Word), asm.Or.Reg(asm.R1, asm.R2), asm.StoreMem(asm.R10, number.offset()+4, asm.R1, asm.Word))
	c.tally(c.maps.checks, key, value, tmp)
	c.mark("out")
	c.finish()
	c.functions()
}

// foreignCall stands for a call of a 32-bit process where its number is of no
// use.
const foreignCall = -2
