package manifest

import (
	"fmt"
	"path"
	"slices"
	"strings"
)

func (m *Manifest) capabilityGrants() []grant {
	var grants []grant
	for i, c := range m.Capabilities {
		info, known := LookupCapability(c.Name)
		if !known {
			info = CapabilityInfo{Level: Special, Meaning: "Use a privilege that is not known here."}
		}
		grants = append(grants, grant{
			Permission: Permission{
				ID: "capability:" + c.Name, Group: "capabilities", Title: c.Name, Meaning: info.Meaning,
				Level: info.Level, Reason: c.Reason, Optional: c.Optional, Path: entry("capabilities", i),
			},
			subject: "capability:" + c.Name,
			in: func(outer *Manifest) bool {
				return slices.ContainsFunc(outer.Capabilities, func(o Capability) bool { return o.Name == c.Name })
			},
		})
	}
	return grants
}

func (m *Manifest) identityGrants() []grant {
	if m.Identity.Mode != IdentityRange {
		return nil
	}
	return []grant{{
		Permission: Permission{
			ID: "identity:range", Group: "identity", Title: "Several users",
			Meaning: "Act as any of several users inside the container, with ids that the machine keeps for you.",
			Level:   Normal, Reason: m.Identity.Reason, Optional: m.Identity.Optional, Path: "identity",
		},
		subject: "identity",
		in:      func(outer *Manifest) bool { return outer.Identity.Mode == IdentityRange },
	}}
}

func (m *Manifest) programGrants() []grant {
	var grants []grant
	for i, p := range m.Execute {
		level, meaning := programLevel(p.Path)
		title := "Start " + p.Path
		if p.Path == AnyProgram {
			title = "Start any program"
		}
		grants = append(grants, grant{
			Permission: Permission{
				ID: "execute:" + p.Path, Group: "execute", Title: title, Meaning: meaning, Level: level,
				Reason: p.Reason, Optional: p.Optional, Path: entry("execute", i),
			},
			subject: "execute:" + p.Path,
			in: func(outer *Manifest) bool {
				return slices.ContainsFunc(outer.Execute, func(o Program) bool { return o.Path == AnyProgram || o.Path == p.Path })
			},
		})
	}
	return grants
}

// Programs that do what they are told are dangerous whoever tells them.
var (
	shells = []string{"ash", "bash", "busybox", "csh", "dash", "fish", "ksh", "mksh", "rbash", "sh", "tcsh", "toybox", "zsh"}

	interpreters = []string{
		"awk", "bun", "deno", "erl", "gawk", "guile", "java", "lua", "mawk", "nawk", "node", "nodejs", "perl",
		"php", "pwsh", "pypy", "python", "R", "Rscript", "ruby", "tclsh", "wish",
	}

	fetchers = []string{"aria2c", "curl", "ftp", "nc", "nc.openbsd", "nc.traditional", "ncat", "netcat", "rsync", "scp", "sftp", "socat", "ssh", "telnet", "wget"}

	debuggers = []string{"gdb", "gdbserver", "lldb", "ltrace", "perf", "strace"}
)

// programLevel judges a program by its name; versions at the end, as in
// python3.11, do not matter.
func programLevel(program string) (Level, string) {
	base := path.Base(program)
	name := strings.TrimRight(base, "0123456789.-")
	is := func(names []string) bool { return slices.Contains(names, base) || slices.Contains(names, name) }
	switch {
	case program == AnyProgram:
		return Special, "Start every program of the image, whatever it is."
	case strings.HasPrefix(base, "ld-linux") || strings.HasPrefix(base, "ld-musl") || base == "ld.so" || base == "ld64.so":
		return Special, "Start any file it can read as a program, past the list of programs."
	case is(shells):
		return Dangerous, "Run any commands, those of an intruder among them."
	case is(interpreters):
		return Dangerous, "Run any code, that of an intruder among it."
	case is(fetchers):
		return Dangerous, "Fetch and send anything over the network it is given, an intruder's tools among it."
	case is(debuggers):
		return Dangerous, "Look into and change its own processes, where the system calls for it are allowed."
	}
	return Normal, "Start this program of the image."
}

func (m *Manifest) readGrants() []grant {
	if len(m.Filesystem.Readable) == 0 {
		return []grant{{
			Permission: Permission{
				ID: "read:/", Group: "filesystem", Title: "Read the whole image",
				Meaning: "Read every file that came with the image.", Level: Normal,
			},
			subject: "read:/",
			in:      func(outer *Manifest) bool { return outer.Filesystem.readsAll("/") },
		}}
	}
	var grants []grant
	for i, r := range m.Filesystem.Readable {
		grants = append(grants, grant{
			Permission: Permission{
				ID: "read:" + r.Path, Group: "filesystem", Title: "Read " + r.Path,
				Meaning: "Read these files of the image.", Level: Normal,
				Reason: r.Reason, Optional: r.Optional, Path: entry("filesystem.readable", i),
			},
			subject: "read:" + r.Path,
			in:      func(outer *Manifest) bool { return outer.Filesystem.readsAll(r.Path) },
		})
	}
	return grants
}

// readsAll reports whether everything at and below a path can be read.
func (f Filesystem) readsAll(p string) bool {
	return len(f.Readable) == 0 || slices.ContainsFunc(f.Readable, func(r ReadablePath) bool { return within(r.Path, p) })
}

// Bound returns the size in bytes that the path is bounded to.
func (w WritablePath) Bound() int64 {
	if w.Size == 0 {
		return DefaultWritableSize
	}
	return w.Size
}

// programPlaces are where programs, libraries and what decides about users
// lie. What is written there is not executable, but others read it.
var programPlaces = []string{"/bin", "/boot", "/etc", "/lib", "/lib32", "/lib64", "/libx32", "/opt", "/sbin", "/usr"}

func (m *Manifest) writeGrants() []grant {
	var grants []grant
	for i, w := range m.Filesystem.Writable {
		level, meaning := Normal, "Change these files until the container ends; then every change is gone."
		if slices.ContainsFunc(programPlaces, func(place string) bool { return within(place, w.Path) }) {
			level, meaning = Dangerous, "Change settings or parts of the image's own programs until the container ends."
		}
		grants = append(grants, grant{
			Permission: Permission{
				ID: "write:" + w.Path, Group: "filesystem",
				Title:   fmt.Sprintf("Write to %s, at most %s", w.Path, Bytes(w.Bound())),
				Meaning: meaning, Level: level, Reason: w.Reason, Optional: w.Optional, Path: entry("filesystem.writable", i),
			},
			subject: "write:" + w.Path,
			in: func(outer *Manifest) bool {
				return slices.ContainsFunc(outer.Filesystem.Writable, w.inside)
			},
		})
	}
	return grants
}

// inside reports whether outer allows all that w does. Sizes are compared path
// by path; what all paths hold together is bounded by the memory.
func (w WritablePath) inside(outer WritablePath) bool {
	return within(outer.Path, w.Path) && w.Bound() <= outer.Bound()
}
