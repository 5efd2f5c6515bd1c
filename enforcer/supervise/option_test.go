package supervise

import (
	"errors"
	"os"
	"slices"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/least-privilege/lpm/enforcer/plan"
)

// What becomes of an option that a program has set on a socket in whose place one
// of the host's is to be put.
const (
	copied  = "copied"
	plain   = "the plain path" // it is of the container's network
	refused = "refused"        // it is a right that only root has on the host: the plain path as well
)

// TestOption says of each option what becomes of it.
func TestOption(t *testing.T) {
	const portRange = 41000<<16 | 40000
	four, six := []int{unix.AF_INET}, []int{unix.AF_INET6}
	both := []int{unix.AF_INET, unix.AF_INET6}
	for _, test := range []struct {
		name                 string
		families             []int
		level, option, value int
		want                 string
	}{
		{"SO_KEEPALIVE", both, unix.SOL_SOCKET, unix.SO_KEEPALIVE, 1, copied},
		{"SO_OOBINLINE", both, unix.SOL_SOCKET, unix.SO_OOBINLINE, 1, copied},
		{"SO_REUSEADDR", both, unix.SOL_SOCKET, unix.SO_REUSEADDR, 1, copied},
		{"SO_REUSEPORT", both, unix.SOL_SOCKET, unix.SO_REUSEPORT, 1, copied},
		{"SO_RCVLOWAT", both, unix.SOL_SOCKET, unix.SO_RCVLOWAT, 17, copied},
		{"SO_DONTROUTE", both, unix.SOL_SOCKET, unix.SO_DONTROUTE, 1, copied},
		{"SO_PRIORITY", both, unix.SOL_SOCKET, unix.SO_PRIORITY, 6, copied},
		{"SO_PRIORITY of root's", both, unix.SOL_SOCKET, unix.SO_PRIORITY, 7, refused},
		{"SO_MARK", both, unix.SOL_SOCKET, unix.SO_MARK, 42, plain},
		{"SO_BINDTOIFINDEX", both, unix.SOL_SOCKET, unix.SO_BINDTOIFINDEX, 1, plain},
		{"SO_SNDBUF", both, unix.SOL_SOCKET, unix.SO_SNDBUF, 50_000, copied},
		{"SO_RCVBUF", both, unix.SOL_SOCKET, unix.SO_RCVBUF, 60_000, copied},
		{"TCP_NODELAY", both, unix.IPPROTO_TCP, unix.TCP_NODELAY, 1, copied},
		{"TCP_CORK", both, unix.IPPROTO_TCP, unix.TCP_CORK, 1, copied},
		{"TCP_KEEPIDLE", both, unix.IPPROTO_TCP, unix.TCP_KEEPIDLE, 17, copied},
		{"TCP_KEEPINTVL", both, unix.IPPROTO_TCP, unix.TCP_KEEPINTVL, 18, copied},
		{"TCP_KEEPCNT", both, unix.IPPROTO_TCP, unix.TCP_KEEPCNT, 4, copied},
		{"TCP_SYNCNT", both, unix.IPPROTO_TCP, unix.TCP_SYNCNT, 2, copied},
		{"TCP_DEFER_ACCEPT", both, unix.IPPROTO_TCP, unix.TCP_DEFER_ACCEPT, 3, copied},
		{"TCP_USER_TIMEOUT", both, unix.IPPROTO_TCP, unix.TCP_USER_TIMEOUT, 4321, copied},
		{"TCP_NOTSENT_LOWAT", both, unix.IPPROTO_TCP, unix.TCP_NOTSENT_LOWAT, 4096, copied},
		{"IP_TOS", both, unix.IPPROTO_IP, unix.IP_TOS, 0x10, copied},
		{"IP_TTL", both, unix.IPPROTO_IP, unix.IP_TTL, 33, copied},
		{"IP_MTU_DISCOVER", four, unix.IPPROTO_IP, unix.IP_MTU_DISCOVER, unix.IP_PMTUDISC_DO, copied},
		{"IP_FREEBIND", both, unix.IPPROTO_IP, unix.IP_FREEBIND, 1, copied},
		{"IP_BIND_ADDRESS_NO_PORT", both, unix.IPPROTO_IP, unix.IP_BIND_ADDRESS_NO_PORT, 1, copied},
		{"IP_LOCAL_PORT_RANGE", both, unix.IPPROTO_IP, unix.IP_LOCAL_PORT_RANGE, portRange, plain},
		{"IP_TRANSPARENT", both, unix.IPPROTO_IP, unix.IP_TRANSPARENT, 1, plain},
		{"IPV6_TRANSPARENT", six, unix.IPPROTO_IPV6, unix.IPV6_TRANSPARENT, 1, plain},
		{"IPV6_FREEBIND", six, unix.IPPROTO_IPV6, unix.IPV6_FREEBIND, 1, copied},
		{"IPV6_V6ONLY", six, unix.IPPROTO_IPV6, unix.IPV6_V6ONLY, 1, copied},
		{"IPV6_UNICAST_HOPS", six, unix.IPPROTO_IPV6, unix.IPV6_UNICAST_HOPS, 9, copied},
		{"IPV6_TCLASS", six, unix.IPPROTO_IPV6, unix.IPV6_TCLASS, 0x10, copied},
	} {
		t.Run(test.name, func(t *testing.T) {
			e := NewEnforcer(plan.Supervision{}, "amd64", Options{})
			for _, family := range test.families {
				fd := stream(t, family)
				err := unix.SetsockoptInt(fd, test.level, test.option, test.value)
				if errors.Is(err, unix.EPERM) && test.want != copied && os.Getuid() != 0 {
					continue // nobody but root can have it at all
				}
				if err != nil {
					t.Fatal(err)
				}
				// The supervisor is told of it where it is none of those that
				// many set.
				if !slices.Contains(plan.UsualOptions(), plan.SocketOption{Level: test.level, Name: test.option}) {
					e.private.notice("setsockopt", &Call{Args: [6]uint64{uint64(fd), uint64(test.level), uint64(test.option)}})
				}
				if got := becomes(t, e, family, fd, test.level, test.option); got != test.want {
					t.Errorf("family %d: %s, want %s", family, got, test.want)
				}
			}
		})
	}
}

// becomes returns what becomes of the only option that is set.
func becomes(t *testing.T, e *Enforcer, family, fd, level, name int) string {
	t.Helper()
	changed, ok := e.changedOptions(family, fd)
	if !ok {
		return plain
	}
	other, err := inherited{family: family, options: changed}.socket()
	if errors.Is(err, unix.EPERM) {
		return refused
	}
	if err != nil {
		t.Fatal(err)
	}
	defer unix.Close(other)
	want, err := getOption(fd, level, name, maxOption)
	if err != nil {
		t.Fatal(err)
	}
	if got, err := getOption(other, level, name, maxOption); err != nil || string(got) != string(want) {
		return "lost"
	}
	return copied
}
