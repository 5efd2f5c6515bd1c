package manifest

import (
	"slices"
	"strings"
)

//go:generate go run ./internal/syscallgen

// KnownKernel is the newest kernel release all of whose system calls are in
// the tables: that of the headers golang.org/x/sys was made from.
const KnownKernel = "7.2"

// SyscallInfo is what is known of a system call on one architecture.
type SyscallInfo struct {
	// Name is the kernel's, such as "newfstatat".
	Name   string
	Number int
	// Since is the kernel release that brought the call, such as "5.9";
	// empty for those older than 5.1.
	Since string
	// Group is "file", "network", "process", "memory", "signal", "time" or
	// "privileged".
	Group string
	// Level is that of the call with any arguments. Conditions can lower it.
	Level Level
	// Meaning says in a sentence what a program that may make the call could
	// do; empty for most normal calls, whose group says enough.
	Meaning string
}

// Architectures returns the architectures that have tables, in Go's spelling.
func Architectures() []string { return []string{"amd64", "arm64"} }

// tables returns one architecture's calls by number and the indexes of these
// by name, or nil.
func tables(arch string) ([]SyscallInfo, []uint16) {
	switch arch {
	case "amd64":
		return amd64Calls[:], amd64ByName[:]
	case "arm64":
		return arm64Calls[:], arm64ByName[:]
	}
	return nil, nil
}

// LookupSyscall returns the call of the given name.
func LookupSyscall(arch, name string) (SyscallInfo, bool) {
	calls, byName := tables(arch)
	at, ok := slices.BinarySearchFunc(byName, name, func(i uint16, name string) int {
		return strings.Compare(calls[i].Name, name)
	})
	if !ok {
		return SyscallInfo{}, false
	}
	return calls[byName[at]], true
}

// SyscallByNumber returns the call of the given number.
func SyscallByNumber(arch string, nr int) (SyscallInfo, bool) {
	calls, _ := tables(arch)
	at, ok := slices.BinarySearchFunc(calls, nr, func(c SyscallInfo, nr int) int {
		return c.Number - nr
	})
	if !ok {
		return SyscallInfo{}, false
	}
	return calls[at], true
}

// SyscallTable returns all calls of an architecture, sorted by number; none for an
// architecture that has no table. The caller may change the result.
func SyscallTable(arch string) []SyscallInfo {
	calls, _ := tables(arch)
	return slices.Clone(calls)
}
