package cmd

import (
	"github.com/least-privilege/lpm/manifest"
	"github.com/least-privilege/lpm/manifest/vulnerabilities"
)

// counts say how much of the kernel a manifest opens, each as so many of so
// many, beside what Docker's default opens of the same. No number is made of
// them together: none would mean anything.
type counts struct {
	// SystemCalls are those of the architecture.
	SystemCalls tally `json:"systemCalls"`
	// Conditional counts system calls that are allowed with certain arguments
	// only; it is a part of SystemCalls.Allowed.
	Conditional int `json:"conditional"`
	// Vulnerabilities are the known ones of Linux that are left open; see
	// package vulnerabilities.
	Vulnerabilities tally `json:"vulnerabilities"`
	Capabilities    tally `json:"capabilities"`
	// DockerProfile is the release of Docker's profile.
	DockerProfile string `json:"dockerProfile"`
}

// tally is a count beside all there are, and beside Docker's.
type tally struct {
	Allowed int `json:"allowed"`
	Of      int `json:"of"`
	Docker  int `json:"docker"`
}

func countsOf(m *manifest.Manifest) counts {
	docker := vulnerabilities.Docker(m.Syscalls.Architecture)
	allowed, conditional := allowedCalls(m)
	dockers, _ := allowedCalls(docker.Manifest)
	return counts{
		SystemCalls:     tally{allowed, len(manifest.SyscallTable(m.Syscalls.Architecture)), dockers},
		Conditional:     conditional,
		Vulnerabilities: tally{len(vulnerabilities.Open(m)), len(vulnerabilities.Known()), len(docker.Open())},
		Capabilities:    tally{len(m.Capabilities), len(manifest.Capabilities()), len(docker.Manifest.Capabilities)},
		DockerProfile:   vulnerabilities.DockerVersion,
	}
}

// allowedCalls counts the system calls that a manifest allows, and those of
// them that it allows with certain arguments only.
func allowedCalls(m *manifest.Manifest) (allowed, conditional int) {
	always := map[string]bool{}
	for _, s := range m.Syscalls.Allow {
		always[s.Name] = always[s.Name] || len(s.When) == 0
	}
	for _, without := range always {
		if !without {
			conditional++
		}
	}
	return len(always), conditional
}
