package manifest

import (
	"fmt"
	"slices"
	"strings"
)

// Validate checks the rules of the format that types cannot express. The
// error is an [*InvalidError] that lists everything that is wrong.
func (m *Manifest) Validate() error {
	var p problems
	if m.Version != Version {
		p.add("version", "expected %d, the only version of the format there is", Version)
	}
	m.Syscalls.validate(&p)
	m.validateCapabilities(&p)
	if m.Identity.Mode != IdentitySingle && m.Identity.Mode != IdentityRange {
		p.add("identity.mode", "expected %q or %q, not %q", IdentitySingle, IdentityRange, m.Identity.Mode)
	}
	m.Identity.validate(&p, "identity")
	m.validatePrograms(&p)
	m.Filesystem.validate(&p)
	m.validateMounts(&p)
	m.validateDevices(&p)
	m.Network.validate(&p)
	m.Resources.validate(&p)
	return p.err()
}

// entry returns the path of a list's entry.
func entry(list string, i int) string { return fmt.Sprintf("%s[%d]", list, i) }

// once reports the second use of a key in a list.
type once map[string]int

func (o once) check(p *problems, path string, i int, key, what string) {
	if first, twice := o[key]; twice {
		p.add(path, "%s is listed already, in entry %d", what, first)
		return
	}
	o[key] = i
}

// bounded reports a list that is too long, and then nothing else of it.
func bounded(p *problems, path string, length int) bool {
	if length > MaxEntries {
		p.add(path, "expected at most %d entries, not %d", MaxEntries, length)
		return false
	}
	return true
}

func (n Note) validate(p *problems, path string) {
	if len(n.Reason) > MaxReason {
		p.add(path+".reason", "expected at most %d bytes", MaxReason)
		return
	}
	if err := checkText(n.Reason); err != nil {
		p.add(path+".reason", "expected one line of plain text: %s", err)
	}
}

func (s Syscalls) validate(p *problems) {
	if !slices.Contains(Architectures(), s.Architecture) {
		p.add("syscalls.architecture", "expected %s, not %q", list(Architectures()...), s.Architecture)
		return
	}
	if !isRelease(s.Kernel) {
		p.add("syscalls.kernel", "expected a kernel release such as %q, not %q", "6.18", s.Kernel)
	}
	if !bounded(p, "syscalls.allow", len(s.Allow)) {
		return
	}
	seen := once{}
	for i, call := range s.Allow {
		path := entry("syscalls.allow", i)
		call.Note.validate(p, path)
		if _, known := LookupSyscall(s.Architecture, call.Name); !known {
			p.add(path+".name", "%q is not a system call of %s", call.Name, s.Architecture)
			continue
		}
		if _, err := call.resolve(s.Architecture); err != nil {
			p.addError(path, err)
			continue
		}
		seen.check(p, path, i, call.id(s.Architecture), strings.TrimPrefix(call.id(s.Architecture), "syscall:"))
	}
}

func (m *Manifest) validateCapabilities(p *problems) {
	if !bounded(p, "capabilities", len(m.Capabilities)) {
		return
	}
	seen := once{}
	for i, c := range m.Capabilities {
		path := entry("capabilities", i)
		c.Note.validate(p, path)
		if _, known := LookupCapability(c.Name); !known {
			p.add(path+".name", "%q is not a capability of Linux; expected a name such as %q", c.Name, "CAP_NET_BIND_SERVICE")
			continue
		}
		seen.check(p, path, i, c.Name, c.Name)
	}
}

// bound is the range of a number of the manifest; 0 is always allowed and
// stands for the default or no bound.
type bound struct {
	min, max int64
	unit     string
}

func (b bound) check(p *problems, path string, n int64) {
	if n != 0 && (n < b.min || n > b.max) {
		p.add(path, "expected %d to %d %s, or 0, not %d", b.min, b.max, b.unit, n)
	}
}

// The schema has the same numbers; a test compares them.
var (
	sizeBound      = bound{4096, 1 << 50, "bytes"}
	memoryBound    = bound{1 << 20, 1 << 50, "bytes"}
	pidsBound      = bound{1, 1 << 22, "processes"} // PID_MAX_LIMIT
	milliCPUBound  = bound{10, 10_000_000, "thousandths of a processor"}
	ioWeightBound  = bound{1, 100, "hundredths of the usual weight"}
	openFilesBound = bound{1, 1 << 30, "descriptors"}
	fileSizeBound  = bound{1, 1 << 50, "bytes"}
)

func (r Resources) validate(p *problems) {
	memoryBound.check(p, "resources.memory", r.Memory)
	pidsBound.check(p, "resources.pids", r.PIDs)
	milliCPUBound.check(p, "resources.milliCPU", r.MilliCPU)
	ioWeightBound.check(p, "resources.ioWeight", r.IOWeight)
	openFilesBound.check(p, "resources.openFiles", r.OpenFiles)
	fileSizeBound.check(p, "resources.fileSize", r.FileSize)
}

// isRelease reports whether text is a kernel release such as "6.18".
func isRelease(text string) bool {
	major, minor, ok := strings.Cut(text, ".")
	return ok && major != "0" && isDecimal(major) && isDecimal(minor)
}

// isDecimal reports whether text is a number of up to three digits with no
// leading zero.
func isDecimal(text string) bool {
	if text == "" || len(text) > 3 || len(text) > 1 && text[0] == '0' {
		return false
	}
	return strings.Trim(text, "0123456789") == ""
}
