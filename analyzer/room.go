package analyzer

import (
	"fmt"

	"github.com/least-privilege/lpm/manifest"
)

// sizeStep is what sizes are rounded up to.
const sizeStep = 16 << 20

// mostPeak is the highest peak, in bytes, that a bound is proposed from: twice as
// much is the most that a manifest can say.
const mostPeak = 1 << 49

// room proposes a size in bytes for each writable path, or 0 where the default is
// enough: where all that was written is at most half of it. While recording, all
// paths are one file system that is bounded by the machine's memory alone, and the
// record has its peak, not which path held how much.
//
// /dev/shm is not meant: it has a file system of its own, of the default size
// while recording too. Nor are there bounds to propose for the number of files.
// A tmpfs has an inode for each KiB, and its smallest file that is not empty
// takes a page of 4 KiB.
func (p *proposer) room() int64 {
	var peak int64
	for _, r := range p.records {
		peak = max(peak, r.Peaks.Written)
	}
	if peak <= manifest.DefaultWritableSize/2 || peak > mostPeak {
		return 0
	}
	size := (2*peak + sizeStep - 1) / sizeStep * sizeStep
	p.at[sizeOfWritable] = Explanation{Basis: Inferred, Text: fmt.Sprintf(
		"%s, twice the peak of %.1f MiB that all paths held together", manifest.Bytes(size), float64(peak)/(1<<20))}
	return size
}

// sizeOfWritable is where the explanation of that size is kept.
const sizeOfWritable = "filesystem.writable.size"
