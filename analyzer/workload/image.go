package workload

import (
	"cmp"
	"errors"
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
	s, err := signalNumber(text)
	if err != nil {
		return 0, fmt.Errorf("the image's stop signal: %w", err)
	}
	return s, nil
}

// signalNumber reads a signal's name or number.
func signalNumber(text string) (syscall.Signal, error) {
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
	return 0, fmt.Errorf("%q is no signal", text)
}

// signalName is the signal's name, or its number where it has none.
func signalName(s syscall.Signal) string {
	return cmp.Or(unix.SignalName(s), "signal "+strconv.Itoa(int(s)))
}

// Reaches reports whether the job's exercises wait for a port of the network,
// where the image has these ExposedPorts.
func (j Job) Reaches(list []string) (bool, error) {
	ports, err := exposed(list)
	ready := j.readiness(ports)
	return len(j.Exercises) > 0 && ready != nil && ready.Network != "unix", err
}

// ParseSignal reads a signal as images name theirs: "SIGHUP", "HUP", "RTMIN+3"
// or a number.
func ParseSignal(text string) (syscall.Signal, error) {
	if text == "" {
		return 0, errors.New("a signal has a name")
	}
	return signalNumber(text)
}
