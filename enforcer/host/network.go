package host

import (
	"context"
	"errors"
	"fmt"

	"golang.org/x/sys/unix"

	"github.com/least-privilege/lpm/enforcer/launch"
	"github.com/least-privilege/lpm/enforcer/plan"
)

// networkProbes ask for what private networks need beside a network namespace.
// Where that is missing, containers with another network run as ever.
func (i *inspection) networkProbes(user string) []probe {
	const pair = "veth"
	space := []string{user, "namespace-net"}
	return []probe{
		{Finding{Name: pair, Use: "the interface of private networks",
			Hint: "sudo modprobe veth, or boot a kernel with CONFIG_VETH"}, space, i.findInterface},
		{Finding{Name: "packet-sockets", Use: "the other end of that interface",
			Hint: "sudo modprobe af_packet, or boot a kernel with CONFIG_PACKET"}, append(space, pair), i.findPackets},
		{Finding{Name: "kcmp", Use: "connections of private networks with nothing between",
			Hint: "boot a kernel with CONFIG_KCMP=y"}, nil, i.findCompare},
		{Finding{Name: "echo-sockets", Use: "pings from private networks",
			Hint: `sudo sysctl net.ipv4.ping_group_range="0 2147483647"`}, nil, i.findEcho},
	}
}

func (i *inspection) findInterface(_ context.Context, f Finding) Finding {
	return f.configured(i.try(plan.TrialInterface()), "the kernel makes no pair of interfaces")
}

func (i *inspection) findPackets(_ context.Context, f Finding) Finding {
	return f.configured(i.try(plan.TrialPackets()), "the kernel makes no interface")
}

// configured completes a finding from what came of a trial. An answer of the
// kernel that is not the expected one has no error number.
func (f Finding) configured(err error, otherwise string) Finding {
	f = f.tried(err)
	var op *launch.OpError
	if f.State == Missing && errors.As(err, &op) && op.Errno == 0 {
		f.Detail = otherwise
	}
	return f
}

// findCompare compares a descriptor with itself, as the supervisor compares those
// of a container before it puts a socket in the place of one.
func (i *inspection) findCompare(_ context.Context, f Finding) Finding {
	const file = 0 // KCMP_FILE of linux/kcmp.h
	fd, err := unix.Open("/", unix.O_PATH|unix.O_CLOEXEC, 0)
	if err != nil {
		return f.settle(false, fmt.Errorf("opening a file to compare: %w", err))
	}
	defer unix.Close(fd)
	_, _, errno := unix.Syscall6(unix.SYS_KCMP, uintptr(i.pid), uintptr(i.pid), file, uintptr(fd), uintptr(fd), 0)
	if errno == 0 {
		return f.settle(true, nil)
	}
	return f.called("kcmp", errno)
}

// findEcho makes a socket for echo requests, which every group may where the
// machine says so (icmp(7)).
func (i *inspection) findEcho(_ context.Context, f Finding) Finding {
	fd, err := unix.Socket(unix.AF_INET, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC, unix.IPPROTO_ICMP)
	switch {
	case err == nil:
		return f.settle(true, unix.Close(fd))
	case errors.Is(err, unix.EACCES), errors.Is(err, unix.EPERM):
		f.Detail = fmt.Sprintf("net.ipv4.ping_group_range does not have the group %d", i.gid)
		return f.settle(false, nil)
	}
	return f.settle(false, fmt.Errorf("making a socket for echo requests: %w", err))
}
