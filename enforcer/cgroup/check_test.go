package cgroup

import (
	"errors"
	"testing"

	"github.com/least-privilege/lpm/manifest"
)

func TestCheck(t *testing.T) {
	memory, cpu, weight := manifest.Resources{Memory: 67108865}, manifest.Resources{MilliCPU: 500}, manifest.Resources{IOWeight: 50}
	for _, test := range []struct {
		name    string
		ask     manifest.Resources
		files   map[string]string
		inForce bool
	}{
		{"nothing asked", manifest.Resources{}, nil, true},
		{"bytes are rounded down to pages", memory, map[string]string{"memory.max": "67108864\n", "memory.swap.max": "0\n"}, true},
		{"no bound", memory, map[string]string{"memory.max": "max\n", "memory.swap.max": "0\n"}, false},
		{"a wider bound", memory, map[string]string{"memory.max": "67108866\n", "memory.swap.max": "0\n"}, false},
		{"swap beside it", memory, map[string]string{"memory.max": "67108864\n", "memory.swap.max": "4096\n"}, false},
		{"no such file", memory, nil, false},
		{"a share of another period", cpu, map[string]string{"cpu.max": "500000 1000000\n"}, true},
		{"a smaller share", cpu, map[string]string{"cpu.max": "1000 100000\n"}, true},
		{"a larger share", cpu, map[string]string{"cpu.max": "50001 100000\n"}, false},
		{"no share", cpu, map[string]string{"cpu.max": "max 100000\n"}, false},
		{"a share of nothing", cpu, map[string]string{"cpu.max": "0 0\n"}, false},
		{"not a number", cpu, map[string]string{"cpu.max": "x\n"}, false},
		{"another weight for one disk", weight, map[string]string{"io.weight": "default 50\n8:0 70\n"}, false},
		{"a weight", weight, map[string]string{"io.weight": "default 50\n"}, true},
		{"the weight of bfq", weight, map[string]string{"io.bfq.weight": "50\n"}, true},
		{"both", weight, map[string]string{"io.bfq.weight": "50\n", "io.weight": "default 50\n"}, true},
		{"one of both", weight, map[string]string{"io.bfq.weight": "50\n", "io.weight": "default 100\n"}, false},
		{"no weight", weight, nil, false},
	} {
		t.Run(test.name, func(t *testing.T) {
			dir := t.TempDir()
			fill(t, dir, test.files)
			err := Check(dir, test.ask)
			if (err == nil) != test.inForce {
				t.Errorf("in force: %t wanted, got %v", test.inForce, err)
			}
			var told *Error
			if err != nil && !errors.As(err, &told) {
				t.Errorf("%v is no *Error", err)
			}
		})
	}
}
