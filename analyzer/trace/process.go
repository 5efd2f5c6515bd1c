package trace

import "github.com/cilium/ebpf/asm"

// fork is the program at sched_process_fork(struct task_struct *parent,
// struct task_struct *child), which is passed before the child runs.
func (c *code) fork() {
	const key, tmp, value, none = slot(0), slot(1), slot(4), slot(5)
	l := c.at
	born := c.name("born")
	c.emit(
		asm.LoadMem(asm.R6, asm.R1, 0, asm.DWord), asm.LoadMem(asm.R8, asm.R1, 8, asm.DWord),
		asm.LoadMem(asm.R6, asm.R6, int16(l.taskTGID), asm.Word), asm.LoadMem(asm.R7, asm.R8, int16(l.taskTGID), asm.Word),
		asm.StoreMem(asm.R10, key.offset(), asm.R6, asm.DWord),
	)
	c.lookup(c.maps.tasks, key)
	c.emit(asm.JEq.Imm(asm.R0, 0, "out"), asm.JEq.Reg(asm.R6, asm.R7, born)) // a thread
	c.emit(asm.LoadMem(asm.R1, asm.R0, 0, asm.DWord), asm.LoadMem(asm.R2, asm.R0, 8, asm.DWord))
	c.store(value, asm.R1)
	c.store(value-1, asm.R2)
	c.emit(asm.StoreMem(asm.R10, key.offset(), asm.R7, asm.DWord))
	c.mapPointer(asm.R1, c.maps.tasks)
	c.address(asm.R2, key)
	c.address(asm.R3, value)
	c.emit(asm.Mov.Imm(asm.R4, 0), asm.FnMapUpdateElem.Call(), asm.JEq.Imm(asm.R0, 0, born))
	c.count(lostTask, tmp)
	c.mark(born)
	c.emit(asm.LoadMem(asm.R1, asm.R8, int16(l.taskPID), asm.Word), asm.StoreMem(asm.R10, key.offset(), asm.R1, asm.DWord))
	c.emit(set(asm.R10, none.offset(), 0))
	c.insert(c.maps.born, key, none)
	c.emit(asm.JNE.Imm(asm.R0, 0, "out"))
	c.oneMore(tmp)
	c.mark("out")
	c.finish()
}

// oneMore counts a process or thread that was started. Of processors that come to
// a new peak at once the last to write it may have come to one that is less by as
// many as they are.
func (c *code) oneMore(s slot) {
	c.emit(asm.StoreImm(asm.R10, s.offset(), int64(alive), asm.Word))
	c.lookup(c.maps.counters, s)
	c.emit(
		asm.JEq.Imm(asm.R0, 0, "out"),
		asm.Mov.Imm(asm.R1, 1), asm.StoreXAdd(asm.R0, asm.R1, asm.DWord), asm.LoadMem(asm.R9, asm.R0, 0, asm.DWord),
		asm.StoreImm(asm.R10, s.offset(), int64(most), asm.Word),
	)
	c.lookup(c.maps.counters, s)
	c.emit(
		asm.JEq.Imm(asm.R0, 0, "out"),
		asm.LoadMem(asm.R1, asm.R0, 0, asm.DWord), asm.JSGE.Reg(asm.R1, asm.R9, "out"),
		asm.StoreMem(asm.R0, 0, asm.R9, asm.DWord),
	)
}

// end is the program at sched_process_exit(struct task_struct *). A process is
// forgotten with its last thread.
func (c *code) end() {
	const key, tmp = slot(0), slot(1)
	l := c.at
	counted := c.name("counted")
	c.emit(asm.LoadMem(asm.R6, asm.R1, 0, asm.DWord))
	c.emit(asm.LoadMem(asm.R1, asm.R6, int16(l.taskPID), asm.Word), asm.StoreMem(asm.R10, key.offset(), asm.R1, asm.DWord))
	c.mapPointer(asm.R1, c.maps.born)
	c.address(asm.R2, key)
	c.emit(asm.FnMapDeleteElem.Call(), asm.JNE.Imm(asm.R0, 0, counted))
	c.emit(asm.StoreImm(asm.R10, tmp.offset(), int64(alive), asm.Word))
	c.lookup(c.maps.counters, tmp)
	c.emit(asm.JEq.Imm(asm.R0, 0, counted), asm.Mov.Imm(asm.R1, -1), asm.StoreXAdd(asm.R0, asm.R1, asm.DWord))
	c.mark(counted)
	c.emit(asm.LoadMem(asm.R7, asm.R6, int16(l.taskSignal), asm.DWord))
	c.read(asm.R1, tmp, asm.R7, l.signalLive, 4)
	c.emit(asm.JNE.Imm(asm.R1, 0, "out"))
	c.emit(asm.LoadMem(asm.R1, asm.R6, int16(l.taskTGID), asm.Word), asm.StoreMem(asm.R10, key.offset(), asm.R1, asm.DWord))
	c.mapPointer(asm.R1, c.maps.tasks)
	c.address(asm.R2, key)
	c.emit(asm.FnMapDeleteElem.Call())
	c.mark("out")
	c.finish()
}

// execution is the program at sched_process_exec(struct task_struct *, pid_t,
// struct linux_binprm *). The process runs the new program then, with the
// ids of the old one's last calls still to be told apart by who made them.
func (c *code) execution(g group) {
	const path, interp, filename, program, old, state, start, binprm, tmp = slot(0), slot(1), slot(2), slot(3), slot(4), slot(5), slot(6), slot(7), slot(9)
	l := c.at
	active, elf, relative, base := c.name("active"), c.name("elf"), c.name("relative"), c.name("base")
	c.emit(asm.LoadMem(asm.R8, asm.R1, 16, asm.DWord))
	c.store(binprm, asm.R8)
	c.executing(g, tmp)
	c.emit(asm.Mov.Reg(asm.R9, asm.R0))
	c.emit(asm.LoadMem(asm.R1, asm.R9, 0, asm.DWord), asm.LoadMem(asm.R2, asm.R9, 8, asm.DWord))
	c.store(old, asm.R1)
	c.store(state, asm.R2)
	if g.Mounts != 0 {
		// The engine may execute more of its own before the container's.
		const which = slot(8)
		own := c.name("own")
		c.emit(asm.And.Imm(asm.R2, watched|engine), asm.JNE.Imm(asm.R2, engine, own))
		c.newcomer(g, which, tmp)
		c.load(asm.R1, which)
		c.emit(asm.JEq.Imm(asm.R1, engine, "out"))
		c.mark(own)
	}
	c.emit(asm.Call.Label(fnSelf), asm.StoreMem(asm.R9, 0, asm.R0, asm.DWord))
	c.store(program, asm.R0)
	c.load(asm.R1, state)
	c.emit(asm.Or.Imm(asm.R1, watched), asm.StoreMem(asm.R9, 8, asm.R1, asm.DWord))

	c.takeScratch(scratchExec, tmp, "fail")
	c.head(kindExecution)
	c.load(asm.R1, old)
	c.emit(asm.StoreMem(asm.R6, eventProgram, asm.R1, asm.DWord))
	c.load(asm.R1, program)
	c.emit(asm.StoreMem(asm.R6, eventArgs, asm.R1, asm.DWord))
	c.load(asm.R1, state)
	c.emit(asm.And.Imm(asm.R1, watched), asm.JNE.Imm(asm.R1, 0, active), set(asm.R6, eventArgs+8, 1))
	c.mark(active)
	c.load(asm.R1, state)
	c.emit(asm.RSh.Imm(asm.R1, 1), asm.LSh.Imm(asm.R1, 32), asm.StoreMem(asm.R6, eventNumber, asm.R1, asm.DWord))

	c.emit(asm.Mov.Reg(asm.R4, asm.R8))
	c.read(asm.R3, tmp, asm.R4, l.binprmFilename, 8)
	c.store(filename, asm.R3)
	c.store(start, asm.R7)
	c.appendString(0, asm.FnProbeReadKernelStr, "fail")
	c.load(asm.R2, start)
	c.emit(
		asm.And.Imm(asm.R2, maxOffset), asm.Mov.Reg(asm.R1, asm.R6), asm.Add.Reg(asm.R1, asm.R2),
		asm.LoadMem(asm.R2, asm.R1, 0, asm.Byte), asm.JNE.Imm(asm.R2, '/', relative),
	)
	c.currentFolder(l.fsRoot)
	c.emit(asm.Ja.Label(base))
	c.mark(relative)
	c.currentFolder(l.fsPwd)
	c.mark(base)
	c.store(path, asm.R1)
	c.walkPath(1, path, tmp, "fail")
	// Of what is no script the two names are one.
	c.emit(asm.Mov.Reg(asm.R4, asm.R8))
	c.read(asm.R3, tmp, asm.R4, l.binprmInterp, 8)
	c.load(asm.R1, filename)
	c.emit(asm.JEq.Reg(asm.R1, asm.R3, elf))
	c.appendString(2, asm.FnProbeReadKernelStr, "fail")
	c.mark(elf)
	c.emitEvent()
	c.emit(asm.Ja.Label("out"))
	c.mark("fail")
	c.count(unreadable, tmp)
	c.mark("out")
	c.finish()
	c.functions()
}

// executing is currentTask for a process that may still be pending.
func (c *code) executing(g group, key slot) {
	found := c.name("found")
	if g.ID != 0 {
		known := c.name("known")
		c.emit(asm.Mov.Imm(asm.R0, 0))
		c.currentTask(g, key, known)
		c.mark(known)
	}
	c.emit(asm.FnGetCurrentPidTgid.Call(), asm.RSh.Imm(asm.R0, 32), asm.StoreMem(asm.R10, key.offset(), asm.R0, asm.DWord))
	c.lookup(c.maps.tasks, key)
	c.emit(asm.JNE.Imm(asm.R0, 0, found), asm.Ja.Label("out"))
	c.mark(found)
}
