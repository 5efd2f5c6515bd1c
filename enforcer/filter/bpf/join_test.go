package bpf

import (
	"math/rand/v2"
	"testing"
)

// TestJoin: whatever the call, the joined program decides as the first where
// that does not allow, and as the second where it does.
func TestJoin(t *testing.T) {
	const errno, notify = 0x00050001, 0x7fc00000
	first := Program{
		{Op: opLoad, K: 0},
		{Op: opJEQ, JT: 1, JF: 0, K: 3},
		{Op: opRet, K: allow},
		{Op: opLoad, K: 16},
		{Op: opJSET, JT: 1, JF: 0, K: 4},
		{Op: opRet, K: allow},
		{Op: opRet, K: errno},
	}
	second := Program{
		{Op: opLoad, K: 0},
		{Op: opJGT, JT: 0, JF: 1, K: 5},
		{Op: opRet, K: notify},
		{Op: opRet, K: allow},
	}
	joined, err := Join(first, second)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := Decode(joined.Bytes()); err != nil {
		t.Fatalf("the joined program is not sound: %v", err)
	}
	seen := map[uint32]bool{}
	for range 1000 {
		d := Data{Number: rand.Int32N(8), Args: [6]uint64{rand.Uint64N(8)}}
		want := first.Run(d)
		if want.Return == allow {
			cacheable := want.Cacheable
			want = second.Run(d)
			want.Cacheable = want.Cacheable && cacheable
		}
		got := joined.Run(d)
		if got.Return != want.Return || got.Cacheable != want.Cacheable {
			t.Fatalf("call %+v: got %+v, want %+v", d, got, want)
		}
		seen[got.Return] = true
	}
	if len(seen) != 3 {
		t.Errorf("only the verdicts %v were met", seen)
	}
}

func TestJoinIsBounded(t *testing.T) {
	long := make(Program, MaxInstructions)
	for i := range long {
		long[i] = Instruction{Op: opRet, K: allow}
	}
	if _, err := Join(long, long[:1]); err == nil {
		t.Error("a program longer than the kernel takes")
	}
}
