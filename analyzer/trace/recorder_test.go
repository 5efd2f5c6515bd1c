package trace

import (
	"bytes"
	"encoding/binary"
	"testing"
)

// TestProgramsAreBounded: a container that is ever new programs costs no more
// memory than is allowed, and the record says that it is not whole.
func TestProgramsAreBounded(t *testing.T) {
	r := &Recorder{programs: map[uint64]string{}, root: &root{}}
	path := bytes.Repeat([]byte("program\x00"), maxString/8)
	sample := make([]byte, eventData+len(path))
	copy(sample[eventData:], path)
	binary.NativeEndian.PutUint64(sample[eventKind:], uint64(kindProgram))
	binary.NativeEndian.PutUint64(sample[eventLengths:], uint64(len(path)))
	const fit = maxKept / (eventData + maxString)
	for i := range uint64(fit + 100) {
		binary.NativeEndian.PutUint64(sample[eventHash:], i)
		r.take(sample)
		r.take(sample) // sent each time where the kernel's map is full
	}
	if len(r.programs) != fit || r.broken != 200 {
		t.Errorf("%d programs are kept, want %d; %d are lost", len(r.programs), fit, r.broken)
	}
	if r.program(0) == "?" || r.program(fit+1) != "?" {
		t.Errorf("the first is %.20q, one past the bound %.20q", r.program(0), r.program(fit+1))
	}
}
