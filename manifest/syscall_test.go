package manifest

import (
	"os"
	"regexp"
	"slices"
	"strconv"
	"testing"
)

func TestLookupSyscall(t *testing.T) {
	for _, tt := range []struct {
		arch, name string
		number     int
		since      string
		group      string
		level      Level
	}{
		{"amd64", "read", 0, "", "file", Normal},
		{"arm64", "read", 63, "", "file", Normal},
		{"amd64", "openat2", 437, "5.6", "file", Normal},
		{"arm64", "clone3", 435, "5.3", "process", Special},
		{"amd64", "uretprobe", 335, "6.11", "process", Dangerous},
		{"amd64", "file_setattr", 469, "6.17", "file", Dangerous},
		{"arm64", "newfstatat", 79, "", "file", Normal},
		{"amd64", "io_uring_setup", 425, "5.1", "file", Special},
	} {
		got, ok := LookupSyscall(tt.arch, tt.name)
		if !ok || got.Number != tt.number || got.Since != tt.since || got.Group != tt.group || got.Level != tt.level {
			t.Errorf("LookupSyscall(%q, %q) = %+v, %t", tt.arch, tt.name, got, ok)
		}
		back, ok := SyscallByNumber(tt.arch, tt.number)
		if !ok || back != got {
			t.Errorf("SyscallByNumber(%q, %d) = %+v, %t", tt.arch, tt.number, back, ok)
		}
	}
	for _, unknown := range []struct{ arch, name string }{
		{"arm64", "open"}, {"amd64", "Read"}, {"amd64", ""}, {"riscv64", "read"}, {"arm64", "arch_specific_syscall"},
	} {
		if got, ok := LookupSyscall(unknown.arch, unknown.name); ok {
			t.Errorf("LookupSyscall(%q, %q) = %+v", unknown.arch, unknown.name, got)
		}
	}
	for _, number := range []int{-1, 400, 1 << 30} {
		if got, ok := SyscallByNumber("amd64", number); ok {
			t.Errorf("SyscallByNumber(amd64, %d) = %+v", number, got)
		}
	}
}

// A table that ends early names nothing that came later, which a filter would
// then let through or a recording lose.
func TestTablesAreComplete(t *testing.T) {
	for _, arch := range Architectures() {
		calls := SyscallTable(arch)
		known := map[int]bool{}
		for _, c := range calls {
			known[c.Number] = true
			if byName, ok := LookupSyscall(arch, c.Name); !ok || byName != c {
				t.Errorf("%s: %s is found as %+v", arch, c.Name, byName)
			}
			if _, ok := LookupGroup(syscallGroup(c)); !ok {
				t.Errorf("%s: %s is in group %q, which does not exist", arch, c.Name, c.Group)
			}
			if c.Level > Normal && c.Meaning == "" {
				t.Errorf("%s: %s is %s and means %q", arch, c.Name, c.Level, c.Meaning)
			}
			if c.Number >= 424 && c.Since == "" {
				t.Errorf("%s: it is not known since when there is %s", arch, c.Name)
			}
			if c.Since != "" && (!isRelease(c.Since) || olderKernel(c.Since, KnownKernel) != c.Since) {
				t.Errorf("%s: %s is said to be there since %q", arch, c.Name, c.Since)
			}
		}
		// Linux 6.18 ends at 469; all shared numbers up to there exist.
		for number := 424; number <= 469; number++ {
			if !known[number] {
				t.Errorf("%s: number %d is missing", arch, number)
			}
		}
		if !slices.IsSortedFunc(calls, func(a, b SyscallInfo) int { return a.Number - b.Number }) {
			t.Errorf("%s: not sorted", arch)
		}
	}
	for arch, least := range map[string]int{"amd64": 381, "arm64": 325} {
		if n := len(SyscallTable(arch)); n < least {
			t.Errorf("%s has %d calls, fewer than Linux 6.18's %d", arch, n, least)
		}
	}
}

var defines = regexp.MustCompile(`(?m)^#define __NR_(\w+) (\d+)$`)

// The kernel's own headers, where they are installed, agree with the table.
func TestTableAgreesWithHeaders(t *testing.T) {
	const header = "/usr/include/x86_64-linux-gnu/asm/unistd_64.h"
	text, err := os.ReadFile(header)
	if err != nil {
		text = []byte("#define __NR_read 0\n#define __NR_close_range 436\n")
	}
	seen := 0
	for _, m := range defines.FindAllSubmatch(text, -1) {
		number, err := strconv.Atoi(string(m[2]))
		if err != nil {
			t.Fatal(err)
		}
		seen++
		if got, ok := LookupSyscall("amd64", string(m[1])); !ok || got.Number != number {
			t.Errorf("%s is %d in %s and %+v in the table", m[1], number, header, got)
		}
	}
	if seen == 0 {
		t.Errorf("nothing read from %s", header)
	}
}
