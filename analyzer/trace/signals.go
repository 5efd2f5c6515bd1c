package trace

import (
	"github.com/cilium/ebpf/asm"

	"github.com/least-privilege/lpm/analyzer/evidence"
)

// To whom a call has sent a signal, as far as one of its receivers goes. Of
// several the highest counts.
const (
	toSelf = iota + 1
	toGroup
	toOthers
)

// signalTarget is what argument 0 of a signal's event says.
func signalTarget(arg uint64) evidence.Target {
	switch arg {
	case targetEveryone:
		return evidence.Everyone
	case toGroup:
		return evidence.OwnGroup
	}
	return evidence.OtherGroup
}

const targetEveryone = toOthers + 1

// signal is the program at signal_generate(int, struct kernel_siginfo *, struct
// task_struct *receiver, int, int), which is passed for each receiver of a
// signal that is not 0. What the sender has called is looked at when that
// returns; see signalEvent.
func (c *code) signal(g group) {
	const key, value, context, tmp = slot(0), slot(1), slot(2), slot(3)
	l := c.at
	other, keep, fresh := c.name("other"), c.name("keep"), c.name("fresh")
	c.store(context, asm.R1)
	c.currentTask(g, tmp, "out")
	// Timers and the kernel itself send signals in the midst of any call.
	c.emit(asm.FnGetCurrentTaskBtf.Call(), asm.Mov.Reg(asm.R8, asm.R0), asm.Mov.Reg(asm.R1, asm.R0), asm.FnTaskPtRegs.Call())
	c.emit(asm.LoadMem(asm.R9, asm.R0, int16(l.number), asm.DWord), asm.JGE.Imm(asm.R9, maxNumber, "out"))
	c.store(tmp, asm.R9)
	c.lookup(c.maps.calls, tmp)
	c.emit(asm.JEq.Imm(asm.R0, 0, "out"), asm.LoadMem(asm.R1, asm.R0, infoKind, asm.Byte), asm.JNE.Imm(asm.R1, int32(kindSignal), "out"))
	c.load(asm.R1, context)
	c.emit(asm.LoadMem(asm.R4, asm.R1, 8, asm.DWord), asm.JLE.Imm(asm.R4, 1, "out")) // SEND_SIG_NOINFO, SEND_SIG_PRIV
	c.read(asm.R1, tmp, asm.R4, l.siginfoCode, 4)
	const timer, kernel = -2, 0x80 // SI_TIMER, SI_KERNEL
	c.emit(
		asm.LSh.Imm(asm.R1, 32), asm.ArSh.Imm(asm.R1, 32),
		asm.JEq.Imm(asm.R1, timer, "out"), asm.JEq.Imm(asm.R1, kernel, "out"),
	)

	c.load(asm.R1, context)
	c.emit(asm.LoadMem(asm.R9, asm.R1, 16, asm.DWord), asm.Mov.Reg(asm.R7, asm.R8))
	c.emit(set(asm.R10, value.offset(), toSelf))
	c.read(asm.R6, tmp, asm.R9, l.taskTGID, 4)
	c.read(asm.R1, tmp, asm.R7, l.taskTGID, 4)
	c.emit(asm.JEq.Reg(asm.R1, asm.R6, keep))
	for _, task := range []asm.Register{asm.R9, asm.R7} {
		c.read(task, tmp, task, l.taskSignal, 8)
		c.read(task, tmp, task, l.signalGroup, 8)
	}
	c.emit(set(asm.R10, value.offset(), toGroup), asm.JEq.Reg(asm.R9, asm.R7, keep), asm.Ja.Label(other))
	c.mark(other)
	c.emit(set(asm.R10, value.offset(), toOthers))
	c.mark(keep)
	c.emit(asm.FnGetCurrentPidTgid.Call())
	c.store(key, asm.R0)
	c.lookup(c.maps.signals, key)
	c.emit(asm.JEq.Imm(asm.R0, 0, fresh), asm.LoadMem(asm.R1, asm.R0, 0, asm.DWord))
	c.load(asm.R2, value)
	c.emit(asm.JGE.Reg(asm.R1, asm.R2, "out"))
	c.mark(fresh)
	c.mapPointer(asm.R1, c.maps.signals)
	c.address(asm.R2, key)
	c.address(asm.R3, value)
	c.emit(asm.Mov.Imm(asm.R4, 0), asm.FnMapUpdateElem.Call())
	c.mark("out")
	c.finish()
	c.functions()
}

// signalEvent: the signal that was sent and to whom, which does not tell one
// process from another. What is sent to the caller alone is not told of, nor
// signal 0 to less than all processes: the kernel passes nothing that says who
// that is.
func (c *code) signalEvent(tmp slot) {
	const to, target = slot(2), slot(3) // of the exit's, which are not needed
	took, none, one, emit := c.name("took"), c.name("none"), c.name("one"), c.name("emit")
	c.emit(asm.FnGetCurrentPidTgid.Call())
	c.store(tmp, asm.R0)
	c.emit(set(asm.R10, to.offset(), 0))
	c.lookup(c.maps.signals, tmp)
	c.emit(asm.JEq.Imm(asm.R0, 0, none), asm.LoadMem(asm.R1, asm.R0, 0, asm.DWord))
	c.store(to, asm.R1)
	c.mapPointer(asm.R1, c.maps.signals)
	c.address(asm.R2, tmp)
	c.emit(asm.FnMapDeleteElem.Call())
	c.mark(none)
	c.emit(asm.LoadMem(asm.R1, asm.R9, infoLength, asm.Byte))
	c.argument(asm.R7, asm.R8, asm.R1)
	c.emit(asm.LSh.Imm(asm.R7, 32), asm.RSh.Imm(asm.R7, 32), asm.StoreMem(asm.R6, eventArgs+8, asm.R7, asm.DWord))
	c.emit(asm.LoadMem(asm.R1, asm.R8, int16(c.at.args[0]), asm.DWord), asm.LSh.Imm(asm.R1, 32), asm.ArSh.Imm(asm.R1, 32))

	c.emit(set(asm.R10, target.offset(), targetEveryone))
	c.emit(asm.LoadMem(asm.R2, asm.R9, infoAddress, asm.Byte), asm.JEq.Imm(asm.R2, noArg, one), asm.JEq.Imm(asm.R1, -1, emit))
	c.mark(one)
	c.load(asm.R2, to)
	c.emit(asm.JNE.Imm(asm.R2, 0, took), asm.JEq.Imm(asm.R7, 0, "out"), asm.Ja.Label("fail"))
	c.mark(took)
	c.emit(asm.JEq.Imm(asm.R2, toSelf, "out"))
	c.store(target, asm.R2)
	c.mark(emit)
	c.load(asm.R1, target)
	c.emit(asm.StoreMem(asm.R6, eventArgs, asm.R1, asm.DWord), asm.Mov.Imm(asm.R7, eventData))
}
