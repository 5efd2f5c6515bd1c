package enforcer_test

import (
	"fmt"
	"os"
	"slices"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"

	"github.com/least-privilege/lpm/manifest"
)

// What attacks are granted, and the reasons why that is not enough on a host.

func both(changes ...func(m *manifest.Manifest)) func(m *manifest.Manifest) {
	return func(m *manifest.Manifest) {
		for _, change := range changes {
			change(m)
		}
	}
}

// calls grants calls without conditions.
func calls(names ...string) func(m *manifest.Manifest) {
	return func(m *manifest.Manifest) { grant(m, names...) }
}

func capability(name string) func(m *manifest.Manifest) {
	return func(m *manifest.Manifest) { m.Capabilities = append(m.Capabilities, manifest.Capability{Name: name}) }
}

func program(path string) func(m *manifest.Manifest) {
	return func(m *manifest.Manifest) { m.Execute = append(m.Execute, manifest.Program{Path: path}) }
}

// grantFolder mounts a folder of the host, to be read.
func grantFolder(path string) func(m *manifest.Manifest) {
	return func(m *manifest.Manifest) { m.Mounts = append(m.Mounts, manifest.Mount{Path: "/host", Host: path}) }
}

// families grants sockets of the usual families alone.
func families(m *manifest.Manifest) {
	m.Syscalls.Allow = slices.DeleteFunc(m.Syscalls.Allow, func(s manifest.Syscall) bool { return s.Name == "socket" })
	family("AF_UNIX", "AF_INET", "AF_INET6")(m)
}

// family grants sockets of certain families.
func family(names ...string) func(m *manifest.Manifest) {
	return func(m *manifest.Manifest) {
		when := []manifest.Condition{{Arg: 0, OneOf: names}}
		m.Syscalls.Allow = append(m.Syscalls.Allow, manifest.Syscall{Name: "socket", When: when})
	}
}

// sysctl is a reason where a setting that this kernel has is out of bounds.
func sysctl(name string, least, most int) func(l *lab) string {
	return func(*lab) string {
		text, err := os.ReadFile("/proc/sys/" + name)
		if err != nil {
			return ""
		}
		value, err := strconv.Atoi(strings.TrimSpace(string(text)))
		if err != nil || value < least || value > most {
			return fmt.Sprintf("%s is %s", name, strings.TrimSpace(string(text)))
		}
		return ""
	}
}

// limit is a reason where the caller itself may have less of a resource.
func limit(resource int, least uint64) func(l *lab) string {
	return func(*lab) string {
		var has unix.Rlimit
		if err := unix.Getrlimit(resource, &has); err != nil || has.Max < least {
			return fmt.Sprintf("the limit of resource %d is %d here", resource, has.Max)
		}
		return ""
	}
}

// before is a reason on kernels older than the release.
func before(release string) func(l *lab) string {
	return func(*lab) string {
		var name unix.Utsname
		if err := unix.Uname(&name); err != nil {
			return err.Error()
		}
		running := unix.ByteSliceToString(name.Release[:])
		if older(running, release) {
			return fmt.Sprintf("the kernel is %s, %s is needed", running, release)
		}
		return ""
	}
}

// older reports whether a release, such as "6.1.0-13-amd64", came before
// another.
func older(a, b string) bool {
	var majorA, minorA, majorB, minorB int
	fmt.Sscanf(a, "%d.%d", &majorA, &minorA)
	fmt.Sscanf(b, "%d.%d", &majorB, &minorB)
	return majorA < majorB || majorA == majorB && minorA < minorB
}
