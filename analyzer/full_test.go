package analyzer

import (
	"fmt"
	"testing"

	"github.com/least-privilege/lpm/analyzer/evidence"
	"github.com/least-privilege/lpm/manifest"
)

// full returns a record with ten million calls, each of its lists as long as a
// recorder lets one grow.
func full() *evidence.Record {
	r := record()
	const events, lists = 10_000_000, 4096
	table := manifest.SyscallTable("amd64")
	for i := range events / len(table) * len(table) {
		if i < len(table) {
			if info := table[i]; info.Name != "" && privileged(info.Name) == "" && info.Since == "" {
				r.Calls = append(r.Calls, evidence.Call{Architecture: "amd64", Number: info.Number, Name: info.Name, Seen: once})
			}
			continue
		}
		r.Calls[i%len(r.Calls)].Count++
	}
	for i := range lists {
		name := fmt.Sprintf("/data/%d/file-%d", i%256, i)
		r.Files = append(r.Files, evidence.File{Path: name, Access: []evidence.Access{evidence.Write}, Seen: once})
		r.Reads = append(r.Reads, evidence.Read{Path: name, Seen: once})
		r.Connects = append(r.Connects, evidence.Connect{
			Family: "inet", Address: fmt.Sprintf("192.0.%d.%d", i/256, i%256), Port: uint16(i), Protocol: "tcp", Seen: once,
		})
		r.Programs = append(r.Programs, evidence.Program{Path: fmt.Sprintf("/usr/bin/program-%d", i%1024), Seen: once})
	}
	return r
}

// BenchmarkPropose proposes from a record of ten million events.
func BenchmarkPropose(b *testing.B) {
	encoded, err := full().Encode()
	if err != nil {
		b.Fatal(err)
	}
	for b.Loop() {
		r, err := evidence.Decode(encoded)
		if err != nil {
			b.Fatal(err)
		}
		if _, err := Propose([]*evidence.Record{r}, ImageFacts{}); err != nil {
			b.Fatal(err)
		}
	}
}
