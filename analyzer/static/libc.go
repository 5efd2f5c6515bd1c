package static

import (
	"bytes"
	"regexp"
	"strings"
)

// libc tells which C library a file is, by what it says of itself, or "" where
// it is none.
func (m *image) libc() string {
	name := m.dynamic.soname
	switch {
	case name == "libc.so.6":
		version := regexp.MustCompile(`GNU C Library [^\n]{0,80}version ([0-9]+\.[0-9]+)`)
		for _, s := range m.segments {
			if found := version.FindSubmatch(s.data); found != nil && !s.exec {
				return "glibc " + string(found[1])
			}
		}
		return "glibc"
	case strings.HasPrefix(name, "libc.musl-"):
		return "musl"
	case name == "libc.so" || name == "" && m.dynamic.present:
		for _, s := range m.segments {
			if bytes.Contains(s.data, []byte("musl libc (")) {
				return "musl"
			}
		}
	}
	return ""
}
