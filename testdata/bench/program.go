package main

import (
	"fmt"
	"os"
	"path/filepath"
	"runtime"

	"golang.org/x/sys/unix"

	"github.com/least-privilege/lpm/enforcer/filter"
	"github.com/least-privilege/lpm/enforcer/filter/bpf"
	"github.com/least-privilege/lpm/enforcer/plan"
)

// compile returns the one program that a plan's filters make.
func compile(filters []plan.Filter) (bpf.Program, error) {
	raw, err := filter.CompileAll(filters)
	if err != nil {
		return nil, err
	}
	return bpf.Decode(raw)
}

func readProgram(file string) (bpf.Program, error) {
	raw, err := os.ReadFile(file)
	if err != nil {
		return nil, err
	}
	p, err := bpf.Decode(raw)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", filepath.Base(file), err)
	}
	return p, nil
}

// native is this machine's architecture, as filters see it.
func native() uint32 {
	if runtime.GOARCH == "arm64" {
		return bpf.ArchAArch64
	}
	return bpf.ArchX86_64
}

// first returns the first call that the filter allows in that way.
func first(p bpf.Program, calls []call, cacheable bool) (call, bool) {
	for _, c := range calls {
		d := bpf.Data{Number: int32(c.number), Arch: native()}
		copy(d.Args[:], c.args)
		if r := p.Run(d); r.Return == unix.SECCOMP_RET_ALLOW && r.Cacheable == cacheable {
			return c, true
		}
	}
	return call{}, false
}
