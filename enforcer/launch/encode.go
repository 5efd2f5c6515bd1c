package launch

import (
	"fmt"

	"github.com/least-privilege/lpm/enforcer/wire"
)

// Encode returns the program in the form that [DecodeProgram] reads.
func (p *Program) Encode() []byte {
	var w wire.Writer
	w.Uint(uint64(p.namespaces))
	w.Uint(uint64(p.slots))
	w.Bytes(p.data)
	w.Uint(uint64(len(p.pointers)))
	for _, ptr := range p.pointers {
		w.Uint(uint64(ptr.at))
		w.Uint(uint64(ptr.target))
	}
	w.Uint(uint64(len(p.patches)))
	for _, at := range p.patches {
		w.Uint(uint64(at.slot))
		w.Uint(uint64(at.at))
	}
	w.Uint(uint64(p.first))
	w.Uint(uint64(p.program))
	w.Uint(uint64(p.ended))
	w.Uint(uint64(len(p.calls)))
	for i := range p.calls {
		c := &p.calls[i]
		w.Uint(uint64(c.number))
		w.Uint(uint64(c.out + 1))
		w.Uint(uint64(c.want))
		w.Uint(uint64(c.value))
		for _, a := range c.args {
			w.Uint(uint64(a.kind))
			w.Uint(a.value)
		}
	}
	return w.Result()
}

// maxCalls bounds the operations of a program, and maxSlots its descriptors.
const (
	maxCalls = 1 << 16
	maxSlots = opens + maxCalls
)

// DecodeProgram reads what [Program.Encode] wrote. Every offset of the result
// is within its data. What calls it makes is not looked at: whoever can write
// the file can run programs as the caller anyway.
func DecodeProgram(b []byte) (*Program, error) {
	r := wire.NewReader(b)
	p := &Program{namespaces: Namespaces(r.Uint()), slots: int(r.Below(maxSlots))}
	p.data = r.Bytes()
	// place reads the offset of a number of that many bytes.
	place := func(size uint64) uint32 {
		at := r.Below(uint64(len(p.data)) + 1)
		if at%size != 0 || at+size > uint64(len(p.data)) {
			r.Fail()
		}
		return uint32(at)
	}
	if n := r.Count(); n > 0 {
		p.pointers = make([]pointer, n)
		for i := range p.pointers {
			p.pointers[i] = pointer{at: place(8), target: uint32(r.Below(uint64(len(p.data)) + 1))}
		}
	}
	if n := r.Count(); n > 0 {
		p.patches = make([]patch, n)
		for i := range p.patches {
			p.patches[i] = patch{slot: int32(r.Below(uint64(p.slots))), at: place(4)}
		}
	}
	p.first = int(r.Below(maxCalls + 1))
	p.program, p.ended = int32(r.Below(maxSlots)), int32(r.Below(maxSlots))
	p.calls = make([]call, min(r.Count(), maxCalls))
	for i := range p.calls {
		p.call(r, &p.calls[i])
	}
	if !p.whole() {
		r.Fail()
	}
	if err := r.End(); err != nil {
		return nil, fmt.Errorf("decoding a program: %w", err)
	}
	return p, nil
}

// whole reports whether the parts of a first process that is not the program
// are all there, or none.
func (p *Program) whole() bool {
	if !p.hasInit() {
		return p.first == len(p.calls) && p.program == 0 && p.ended == 0
	}
	return len(p.calls)-p.first >= loopCalls && int(max(p.program, p.ended)) < p.slots && p.calls[len(p.calls)-loopCalls].out >= 0
}

func (p *Program) call(r *wire.Reader, c *call) {
	c.number = uint32(r.Below(1 << 32))
	c.out = int32(r.Below(uint64(p.slots)+1)) - 1
	c.want = want(r.Below(uint64(wants)))
	c.value = uint32(r.Below(1 << 32))
	for j := range c.args {
		a := &c.args[j]
		a.kind = argKind(r.Below(uint64(argKinds)))
		switch a.kind {
		case argFD, argFDPlace:
			a.value = r.Below(uint64(p.slots))
		case argData:
			a.value = r.Below(uint64(len(p.data)) + 1)
		case argGiven:
			a.value = r.Below(uint64(givenKinds))
		default:
			a.value = r.Uint()
		}
	}
}
