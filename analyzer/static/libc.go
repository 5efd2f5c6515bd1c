package static

import (
	"bytes"
	"debug/elf"
	"io"
	"path"
	"regexp"
	"strings"
)

// maxConstants bounds how much of a library is searched for its version.
const maxConstants = 8 << 20

var glibcVersion = regexp.MustCompile(`GNU C Library [^\n]{0,80}version ([0-9]+\.[0-9]+)`)

// libcName tells which C library an ELF file is, by its name and what it says
// of itself, or "" where it is none.
func libcName(e *elf.File, p string) string {
	base := path.Base(p)
	switch {
	case strings.HasPrefix(base, "ld-musl-"), strings.HasPrefix(base, "libc.musl-"):
		return "musl"
	case base != "libc.so.6":
		return ""
	}
	section := e.Section(".rodata")
	if section == nil {
		return "glibc"
	}
	data, err := io.ReadAll(io.LimitReader(section.Open(), maxConstants))
	if err != nil {
		return "glibc"
	}
	if m := glibcVersion.FindSubmatch(data); m != nil {
		return "glibc " + string(bytes.Clone(m[1]))
	}
	return "glibc"
}
