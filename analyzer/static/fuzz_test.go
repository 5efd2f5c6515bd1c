package static

import (
	"bytes"
	"encoding/binary"
	"math/rand/v2"
	"os"
	"testing"
	"time"
)

// FuzzReadFile changes real files at some places: whatever comes of it is read
// in bounded time, or refused.
func FuzzReadFile(f *testing.F) {
	var programs [][]byte
	for _, name := range []string{"/bin/true", "/lib64/ld-linux-x86-64.so.2", "/lib/ld-linux-aarch64.so.1"} {
		if data, err := os.ReadFile(name); err == nil && len(data) < 1<<20 {
			programs = append(programs, data)
		}
	}
	if len(programs) == 0 {
		f.Skip("no program to begin with")
	}
	f.Add(uint8(0), []byte{})
	f.Add(uint8(1), []byte{0x38, 0, 0, 0xff, 0xff})
	f.Fuzz(func(t *testing.T, which uint8, edits []byte) {
		data := bytes.Clone(programs[int(which)%len(programs)])
		// Each edit is an offset of three bytes and a value of two.
		for ; len(edits) >= 5; edits = edits[5:] {
			at := int(edits[0]) | int(edits[1])<<8 | int(edits[2])<<16
			binary.LittleEndian.PutUint16(data[at%(len(data)-1):], binary.LittleEndian.Uint16(edits[3:]))
		}
		start := time.Now()
		if file, err := readFile(bytes.NewReader(data)); err == nil {
			if err := file.check(); err != nil {
				t.Error(err)
			}
		}
		if took := time.Since(start); took > 20*time.Second {
			t.Errorf("took %v", took)
		}
	})
}

// FuzzDecode holds that every instruction has a size and stays in its bytes.
func FuzzDecode(f *testing.F) {
	f.Add([]byte{0x0f, 0x05})
	f.Add([]byte{0xf3, 0x0f, 0x1e, 0xfa, 0xf2, 0xff, 0x25, 1, 2, 3, 4})
	f.Add([]byte{0xc5, 0xf8, 0x77})
	f.Add([]byte{0x62, 0xf1, 0x7c, 0x48, 0x28, 0x05, 1, 2, 3, 4})
	f.Fuzz(func(t *testing.T, text []byte) {
		for _, cpu := range []processor{amd64{&image{}}, amd64{&image{fixed: true}}, arm64{}} {
			for at := 0; at < len(text); {
				var s step
				cpu.decode(&s, text[at:], textAt+uint64(at))
				if s.size == 0 || at+int(s.size) > len(text) {
					t.Fatalf("%T: %x: size %d of %d", cpu, text[at:], s.size, len(text)-at)
				}
				begin(cpu.convention()).apply(&s, cpu.convention())
				if p, ok := cpu.(quick); ok {
					agrees(t, p, &s, text[at:])
				}
				cpu.stub(text[at:], textAt+uint64(at))
				at += int(s.size)
			}
		}
	})
}

// agrees holds that what is glanced at is what it is when it is read in full.
func agrees(t *testing.T, p quick, s *step, text []byte) bool {
	t.Helper()
	var g step
	if !p.glance(&g, text, s.at) || s.bad {
		return false
	}
	if g.size != s.size || g.kind != s.kind || g.refers != s.refers || g.reads != s.reads || g.width != s.width ||
		g.to != s.to || g.slot != s.slot || g.returns != s.returns || g.idle && !s.idle {
		t.Fatalf("%x: a glance shows %+v, read %+v", text[:min(15, len(text))], g, *s)
	}
	return true
}

// TestGlanceAgrees holds it of random bytes, many of which begin as programs'
// instructions do.
func TestGlanceAgrees(t *testing.T) {
	random := rand.New(rand.NewPCG(3, 4))
	text := make([]byte, 15)
	glanced := map[byte]int{}
	for _, cpu := range []amd64{{&image{}}, {&image{fixed: true}}} {
		for range 1_000_000 {
			for i := range text {
				text[i] = byte(random.Uint32())
			}
			first := 0
			for _, prefix := range []byte{0x66, 0x48, 0x0f} {
				if random.Uint32()&3 == 0 {
					text[first] = prefix
					first++
				}
			}
			var s step
			cpu.decode(&s, text, textAt)
			if agrees(t, cpu, &s, text) {
				glanced[text[first]]++
			}
		}
	}
	if len(glanced) < 120 {
		t.Errorf("%d codes were glanced at", len(glanced))
	}
}
