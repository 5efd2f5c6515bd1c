package analyzer

import (
	"fmt"

	"github.com/least-privilege/lpm/manifest"
)

// The bounds are twice the peaks, for a peak is what was watched and not the
// worst there is; what is written to a writable path is memory too. Of processor time
// the peak is told and nothing proposed: too little makes a program slow, not safe.
const (
	leastMemory = 32 << 20
	morePIDs    = 8
	mostFiles   = 1 << 20
)

// resources proposes bounds from the peaks.
func (p *proposer) resources() {
	var memory, pids, cpu int64
	var files uint64
	for _, r := range p.records {
		memory = max(memory, r.Peaks.Memory+r.Peaks.Written+r.Peaks.Shared)
		pids = max(pids, r.Peaks.PIDs)
		cpu = max(cpu, r.Peaks.MilliCPU)
		for _, l := range r.Limits {
			if l.Resource == "nofile" {
				files = max(files, l.Value)
			}
		}
	}
	bounds := &p.manifest.Resources
	if memory > 0 && memory <= mostPeak {
		bounds.Memory = max(leastMemory, (2*memory+sizeStep-1)/sizeStep*sizeStep)
		p.at["resources.memory"] = Explanation{
			Basis: Inferred, Text: fmt.Sprintf("%s, twice the peak of %.1f MiB", manifest.Bytes(bounds.Memory), float64(memory)/(1<<20)),
		}
	}
	if pids > 0 && pids < 1<<22 {
		bounds.PIDs = 2*pids + morePIDs
		p.at["resources.pids"] = Explanation{
			Basis: Inferred, Text: fmt.Sprintf("twice the peak of %d processes and threads, and %d more", pids, morePIDs),
		}
	}
	if cpu > 0 {
		p.at["resources.milliCPU"] = Explanation{
			Basis: Observed, Text: fmt.Sprintf("not bounded; at most %d thousandths of a processor were used at a time", cpu),
		}
	}
	if files > 0 && files <= mostFiles {
		bounds.OpenFiles = int64(files)
		p.at["resources.openFiles"] = Explanation{
			Basis: Observed, Text: "the limit that a program set for itself",
		}
	}
}
