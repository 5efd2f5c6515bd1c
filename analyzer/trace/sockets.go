package trace

import "github.com/cilium/ebpf/asm"

const (
	// addressSize bounds a socket address (struct sockaddr_storage).
	addressSize = 128
	// addressRoom is what an address takes in an event of messages.
	addressRoom = 8 + addressSize
	// maxMessages bounds the messages of one sendmmsg that are looked at;
	// what more are sent with an address is counted as unreadable.
	maxMessages = 16
	// messagesStep is the size of struct mmsghdr on machines of 64 bits; it
	// starts with a struct msghdr, and that with the address and its length.
	messagesStep = 64
)

// socket writes what the socket is whose descriptor is the call's first
// argument.
func (c *code) socket(tmp slot) {
	l := c.at
	c.emit(asm.LoadMem(asm.R1, asm.R8, int16(l.args[0]), asm.DWord))
	c.emit(asm.Call.Label(fnFile), asm.JEq.Imm(asm.R0, 0, "fail"))
	// The kernel itself has taken the file for a socket.
	c.read(asm.R4, tmp, asm.R0, l.filePrivate, 8)
	c.read(asm.R4, tmp, asm.R4, l.socketSock, 8)
	c.emit(asm.JEq.Imm(asm.R4, 0, "fail"))
	c.store(tmp-1, asm.R4)
	for _, m := range []struct {
		offset uint32
		size   int32
		to     int16
	}{
		{l.sockFamily, 2, eventFamily}, {l.sockType, 2, eventType}, {l.sockProtocol, 2, eventProto},
		{l.sockPort, 2, eventPort}, {l.sockAddress, 4, eventAddr},
		{l.sockAddress6, 8, eventAddr6}, {l.sockAddress6 + 8, 8, eventAddr6 + 8},
	} {
		c.load(asm.R4, tmp-1)
		c.read(asm.R1, tmp, asm.R4, m.offset, m.size)
		c.emit(asm.StoreMem(asm.R6, m.to, asm.R1, asm.DWord))
	}
}

// addressEvent: a socket address, and where the relative path starts from that
// it may be.
func (c *code) addressEvent(path, tmp slot) {
	c.emit(asm.LoadMem(asm.R1, asm.R9, infoLength, asm.Byte))
	c.argument(asm.R2, asm.R8, asm.R1)
	c.emit(asm.LoadMem(asm.R1, asm.R9, infoAddress, asm.Byte))
	c.argument(asm.R3, asm.R8, asm.R1)
	// Without one the socket's peer is meant.
	c.emit(asm.JEq.Imm(asm.R3, 0, "out"))
	c.boundLength()
	c.appendMemory(0, tmp, asm.FnProbeReadUser, "fail")
	c.portless()
	c.currentFolder(c.at.fsPwd)
	c.store(path, asm.R1)
	c.walkPath(1, path, tmp, "fail")
}

// portless writes what the socket is. Its own port is left out, for it is
// another one each time.
func (c *code) portless() {
	const tmp = slot(9)
	c.socket(tmp)
	for at := eventPort; at < eventIDs; at += 8 {
		c.emit(set(asm.R6, int16(at), 0))
	}
}

// boundLength makes the length of an address, in R2, one that can be read; an
// empty one ends the program.
func (c *code) boundLength() {
	fits := c.name("fits")
	c.emit(asm.LSh.Imm(asm.R2, 32), asm.RSh.Imm(asm.R2, 32), asm.JLT.Imm(asm.R2, 2, "out"))
	c.emit(asm.JLE.Imm(asm.R2, addressSize, fits), asm.Mov.Imm(asm.R2, addressSize))
	c.mark(fits)
}

// messageEvent: the address in a struct msghdr.
func (c *code) messageEvent(start, tmp slot) {
	c.emit(asm.LoadMem(asm.R1, asm.R9, infoAddress, asm.Byte))
	c.argument(asm.R3, asm.R8, asm.R1)
	c.store(start, asm.R3)
	c.messageAddress(start, tmp, "out")
	c.emit(asm.Mov.Reg(asm.R0, asm.R7), asm.Sub.Imm(asm.R0, eventData), asm.StoreMem(asm.R6, eventLengths, asm.R0, asm.DWord))
	c.portless()
}

// messagesEvent: the addresses in an array of struct mmsghdr.
func (c *code) messagesEvent(start, turn, tmp slot) {
	next, each, done := c.name("next"), c.name("each"), c.name("done")
	c.emit(asm.LoadMem(asm.R1, asm.R9, infoAddress, asm.Byte))
	c.argument(asm.R3, asm.R8, asm.R1)
	c.store(start, asm.R3)
	c.emit(set(asm.R10, turn.offset(), 0))
	c.mark(next)
	c.load(asm.R1, turn)
	c.emit(asm.LoadMem(asm.R2, asm.R8, int16(c.at.args[2]), asm.DWord), asm.LSh.Imm(asm.R2, 32), asm.RSh.Imm(asm.R2, 32))
	c.emit(asm.JGE.Reg(asm.R1, asm.R2, done), asm.JGE.Imm(asm.R1, maxMessages, "fail"), asm.Add.Imm(asm.R1, 1))
	c.store(turn, asm.R1)
	c.messageAddress(start, tmp, each)
	c.mark(each)
	c.load(asm.R3, start)
	c.emit(asm.Add.Imm(asm.R3, messagesStep))
	c.store(start, asm.R3)
	c.emit(asm.Ja.Label(next))
	c.mark(done)
	c.emit(asm.Mov.Reg(asm.R0, asm.R7), asm.Sub.Imm(asm.R0, eventData), asm.JEq.Imm(asm.R0, 0, "out"))
	c.emit(asm.StoreMem(asm.R6, eventLengths, asm.R0, asm.DWord))
	c.portless()
}

// messageAddress appends the address of one message, if it has any.
func (c *code) messageAddress(start, tmp slot, none string) {
	const name, length = slot(11), slot(10) // msg_name and msg_namelen
	fits := c.name("fits")
	c.room("fail")
	c.address(asm.R1, name)
	c.load(asm.R3, start)
	c.emit(asm.Mov.Imm(asm.R2, 16), asm.FnProbeReadUser.Call(), asm.JNE.Imm(asm.R0, 0, "fail"))
	c.load(asm.R3, name)
	c.emit(asm.JEq.Imm(asm.R3, 0, none))
	c.load(asm.R2, length)
	c.emit(asm.LSh.Imm(asm.R2, 32), asm.RSh.Imm(asm.R2, 32), asm.JLT.Imm(asm.R2, 2, none))
	c.emit(asm.JLE.Imm(asm.R2, addressSize, fits), asm.Mov.Imm(asm.R2, addressSize))
	c.mark(fits)
	c.store(tmp, asm.R2)
	c.emit(asm.Mov.Reg(asm.R1, asm.R6), asm.Add.Reg(asm.R1, asm.R7))
	for at := 0; at < addressRoom; at += 8 {
		c.emit(set(asm.R1, int16(at), 0))
	}
	c.emit(asm.StoreMem(asm.R1, 0, asm.R2, asm.DWord), asm.Add.Imm(asm.R1, 8), asm.FnProbeReadUser.Call())
	c.emit(asm.JNE.Imm(asm.R0, 0, "fail"), asm.Add.Imm(asm.R7, addressRoom))
}

// limitEvent: the limit that is asked for.
func (c *code) limitEvent(tmp slot) {
	c.emit(asm.LoadMem(asm.R1, asm.R9, infoAddress, asm.Byte))
	c.argument(asm.R3, asm.R8, asm.R1)
	c.emit(asm.JEq.Imm(asm.R3, 0, "out"), asm.Mov.Imm(asm.R2, 16))
	c.appendMemory(0, tmp, asm.FnProbeReadUser, "fail")
}
