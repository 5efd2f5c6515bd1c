package analyzer

import (
	"fmt"

	"github.com/least-privilege/lpm/analyzer/evidence"
	"github.com/least-privilege/lpm/manifest"
)

// sizeStep is what sizes are rounded up to.
const sizeStep = 16 << 20

// mostPeak is the highest peak, in bytes, that a bound is proposed from: twice as
// much is the most that a manifest can say.
const mostPeak = 1 << 49

// room proposes a size in bytes for what held a peak of so many, or 0 where the
// default is enough: where the peak is at most half of it. While recording, all
// paths are one file system, and /dev/shm is another, that only the machine's memory
// bounds; the record has the peak of each, not which path held how much.
//
// There are no bounds to propose for the number of files. A tmpfs has an inode
// for each KiB, and its smallest file that is not empty takes a page of 4 KiB.
func room(peak int64) int64 {
	if peak <= manifest.DefaultWritableSize/2 || peak > mostPeak {
		return 0
	}
	return (2*peak + sizeStep - 1) / sizeStep * sizeStep
}

// roomFor proposes the size of a writable path, and says why.
func (p *proposer) roomFor(name string) (int64, string) {
	peak, held := p.peak(func(r evidence.Peaks) int64 { return r.Written }), "all paths held together"
	if name == sharedMemory {
		peak, held = p.peak(func(r evidence.Peaks) int64 { return r.Shared }), "it held"
	}
	size := room(peak)
	if size == 0 {
		return 0, ""
	}
	why := fmt.Sprintf("%s, twice the peak of %.1f MiB that %s", manifest.Bytes(size), float64(peak)/(1<<20), held)
	if name != sharedMemory {
		p.at[sizeOfWritable] = Explanation{Basis: Inferred, Text: why}
	}
	return size, why
}

// peak is the highest of one kind in all records.
func (p *proposer) peak(of func(evidence.Peaks) int64) int64 {
	var peak int64
	for _, r := range p.records {
		peak = max(peak, of(r.Peaks))
	}
	return peak
}

// sizeOfWritable is where the explanation of the size is kept that all paths but
// /dev/shm have.
const sizeOfWritable = "filesystem.writable.size"
