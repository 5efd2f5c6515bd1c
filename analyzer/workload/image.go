package workload

import (
	"cmp"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"syscall"

	"golang.org/x/sys/unix"
)

// port is one that the image says it listens on.
type port struct {
	number   int
	protocol string // "tcp" or "udp"
}

func (p port) String() string { return fmt.Sprintf("%d/%s", p.number, p.protocol) }

// exposed reads ExposedPorts, "6379/tcp" or "6379" each, and sorts them by
// number: their order in the image's configuration is none.
func exposed(list []string) ([]port, error) {
	var all []port
	for _, text := range list {
		number, protocol, found := strings.Cut(text, "/")
		if !found {
			protocol = "tcp"
		}
		n, err := strconv.ParseUint(number, 10, 16)
		if err != nil || n == 0 || protocol != "tcp" && protocol != "udp" {
			return nil, fmt.Errorf("the image exposes %q, which is no port", text)
		}
		all = append(all, port{int(n), protocol})
	}
	slices.SortFunc(all, func(a, b port) int {
		return cmp.Or(cmp.Compare(a.number, b.number), cmp.Compare(a.protocol, b.protocol))
	})
	return slices.Compact(all), nil
}

// firstTCP returns the first TCP port, or 0.
func firstTCP(ports []port) int {
	for _, p := range ports {
		if p.protocol == "tcp" {
			return p.number
		}
	}
	return 0
}

// stopSignal is what the image says its program ends by: a name with or
// without SIG, a real-time one as RTMIN+3, or a number; empty is SIGTERM.
func stopSignal(text string) (syscall.Signal, error) {
	if text == "" {
		return unix.SIGTERM, nil
	}
	name := strings.TrimPrefix(strings.ToUpper(text), "SIG")
	// glibc and musl keep the first two of the kernel's real-time signals.
	const rtmin, rtmax = 34, 64
	for base, start := range map[string]int{"RTMIN": rtmin, "RTMAX": rtmax} {
		rest, ok := strings.CutPrefix(name, base)
		if !ok {
			continue
		}
		offset, err := strconv.Atoi(cmp.Or(rest, "+0"))
		if err == nil && start+offset >= rtmin && start+offset <= rtmax {
			return syscall.Signal(start + offset), nil
		}
	}
	if n, err := strconv.Atoi(name); err == nil && n > 0 && n <= rtmax {
		return syscall.Signal(n), nil
	}
	if s := unix.SignalNum("SIG" + name); s != 0 {
		return s, nil
	}
	return 0, fmt.Errorf("the image names %q as its stop signal, which is none", text)
}

// signalName is the signal's name, or its number where it has none.
func signalName(s syscall.Signal) string {
	return cmp.Or(unix.SignalName(s), "signal "+strconv.Itoa(int(s)))
}

// ExposesTCP reports whether an image's ExposedPorts have a TCP port, for which
// an exercise waits.
func ExposesTCP(list []string) (bool, error) {
	ports, err := exposed(list)
	return firstTCP(ports) != 0, err
}
