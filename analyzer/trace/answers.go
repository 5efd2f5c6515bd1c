package trace

import (
	"encoding/binary"

	"github.com/cilium/ebpf/asm"
	"golang.org/x/sys/unix"
)

const (
	// dnsPort is where name servers are asked (RFC 1035, 4.2.1), and dnsHeader
	// how long a message of theirs is at least, in bytes.
	dnsPort   = 53
	dnsHeader = 12
)

// answerEvent: what was received by UDP from a name server's port, as far as a
// string goes and a message's first piece of memory. Its number is left out,
// for it is another one each time.
func (c *code) answerEvent(result, start, tmp slot) {
	const name, memory, length = slot(11), slot(9), slot(8) // msg_name, msg_iov, and struct iovec's
	l := c.at
	peer, known, message := c.name("peer"), c.name("known"), c.name("message")
	where, short, bounded, all := c.name("where"), c.name("short"), c.name("bounded"), c.name("all")
	c.emit(asm.LoadMem(asm.R1, asm.R8, int16(l.args[0]), asm.DWord))
	c.emit(asm.Call.Label(fnFile), asm.JEq.Imm(asm.R0, 0, "out"))
	// The kernel itself has taken the file for a socket.
	c.read(asm.R4, tmp, asm.R0, l.filePrivate, 8)
	c.read(asm.R7, tmp, asm.R4, l.socketSock, 8)
	c.read(asm.R1, tmp, asm.R7, l.sockProtocol, 2)
	c.emit(asm.JNE.Imm(asm.R1, unix.IPPROTO_UDP, "out"))
	c.read(asm.R1, tmp, asm.R7, l.sockFamily, 2)
	c.emit(asm.JEq.Imm(asm.R1, unix.AF_INET, peer), asm.JNE.Imm(asm.R1, unix.AF_INET6, "out"))
	c.mark(peer)
	c.read(asm.R7, tmp, asm.R7, l.sockPeerPort, 2)

	// Where the message is, where the sender's address, and how long the
	// memory: of recvfrom as its arguments say. With MSG_TRUNC the result may be
	// more than was written there.
	c.emit(asm.LoadMem(asm.R1, asm.R8, int16(l.args[2]), asm.DWord))
	c.store(length, asm.R1)
	c.emit(asm.LoadMem(asm.R1, asm.R9, infoAddress, asm.Byte))
	c.argument(asm.R3, asm.R8, asm.R1)
	c.store(memory, asm.R3)
	c.store(start, asm.R3)
	c.emit(asm.LoadMem(asm.R1, asm.R9, infoLength, asm.Byte))
	c.argument(asm.R3, asm.R8, asm.R1)
	c.store(name, asm.R3)
	c.emit(asm.LoadMem(asm.R1, asm.R9, infoLength, asm.Byte), asm.JEq.Imm(asm.R1, noArg, message), asm.Ja.Label(where))
	// Of recvmsg as struct msghdr says.
	c.mark(message)
	c.user(length, start, 24, 8) // msg_iovlen
	c.load(asm.R1, length)
	c.emit(asm.JEq.Imm(asm.R1, 0, "out"))
	c.user(name, start, 0, 8)
	c.user(memory, start, 16, 8)
	c.user(length, memory, 8, 8)
	c.user(memory, memory, 0, 8)
	c.mark(where)
	c.load(asm.R1, result)
	c.load(asm.R2, length)
	c.emit(asm.JLE.Reg(asm.R2, asm.R1, short))
	c.store(length, asm.R1)
	c.mark(short)

	c.emit(asm.JNE.Imm(asm.R7, 0, known))
	c.load(asm.R1, name)
	c.emit(asm.JEq.Imm(asm.R1, 0, "out"), set(asm.R10, tmp.offset(), 0))
	c.user(tmp, name, 2, 2)
	c.load(asm.R7, tmp)
	c.mark(known)
	c.emit(asm.JNE.Imm(asm.R7, int32(networkOrder(dnsPort)), "out"), asm.Mov.Imm(asm.R7, eventData))

	c.load(asm.R2, length)
	c.emit(asm.JGE.Imm(asm.R2, dnsHeader, bounded), asm.Ja.Label("out"))
	c.mark(bounded)
	c.emit(asm.JLE.Imm(asm.R2, maxString, all), asm.Mov.Imm(asm.R2, maxString))
	c.mark(all)
	c.load(asm.R3, memory)
	c.appendMemory(0, tmp, asm.FnProbeReadUser, "fail")
	c.emit(asm.StoreImm(asm.R6, eventData, 0, asm.Half))
}

// user reads memory of the calling process, at the address in one place of the
// stack and an offset, to another place.
func (c *code) user(to, base slot, offset, n int32) {
	c.load(asm.R3, base)
	c.emit(asm.Add.Imm(asm.R3, offset))
	c.address(asm.R1, to)
	c.emit(asm.Mov.Imm(asm.R2, n), asm.FnProbeReadUser.Call(), asm.JNE.Imm(asm.R0, 0, "fail"))
}

// networkOrder is a port's number as it is in an address.
func networkOrder(port uint16) uint16 {
	return binary.NativeEndian.Uint16(binary.BigEndian.AppendUint16(nil, port))
}
