package plan

import (
	"fmt"
	"slices"
	"strings"
)

// The rights, scopes and flags of linux/landlock.h that plans ask for.
const (
	rightExecute    = "LANDLOCK_ACCESS_FS_EXECUTE"
	rightWriteFile  = "LANDLOCK_ACCESS_FS_WRITE_FILE"
	rightReadFile   = "LANDLOCK_ACCESS_FS_READ_FILE"
	rightReadDir    = "LANDLOCK_ACCESS_FS_READ_DIR"
	rightRemoveDir  = "LANDLOCK_ACCESS_FS_REMOVE_DIR"
	rightRemoveFile = "LANDLOCK_ACCESS_FS_REMOVE_FILE"
	rightMakeChar   = "LANDLOCK_ACCESS_FS_MAKE_CHAR"
	rightMakeDir    = "LANDLOCK_ACCESS_FS_MAKE_DIR"
	rightMakeReg    = "LANDLOCK_ACCESS_FS_MAKE_REG"
	rightMakeSock   = "LANDLOCK_ACCESS_FS_MAKE_SOCK"
	rightMakeFifo   = "LANDLOCK_ACCESS_FS_MAKE_FIFO"
	rightMakeBlock  = "LANDLOCK_ACCESS_FS_MAKE_BLOCK"
	rightMakeSym    = "LANDLOCK_ACCESS_FS_MAKE_SYM"
	rightRefer      = "LANDLOCK_ACCESS_FS_REFER"
	rightTruncate   = "LANDLOCK_ACCESS_FS_TRUNCATE"
	rightIoctlDev   = "LANDLOCK_ACCESS_FS_IOCTL_DEV"
	rightBind       = "LANDLOCK_ACCESS_NET_BIND_TCP"
	rightConnect    = "LANDLOCK_ACCESS_NET_CONNECT_TCP"
	scopeAbstract   = "LANDLOCK_SCOPE_ABSTRACT_UNIX_SOCKET"
	scopeSignal     = "LANDLOCK_SCOPE_SIGNAL"
	logNoSubdomains = "LANDLOCK_RESTRICT_SELF_LOG_SUBDOMAINS_OFF"
)

// landlockABI is one version of Landlock.
type landlockABI struct {
	// linux is the release that brought it, brought what it can do more than
	// the version before.
	linux   string
	brought []string
}

// landlockABIs are the versions of Landlock, the first being 1 (landlock(7);
// Documentation/userspace-api/landlock.rst).
//
// A later one is used as the last of these. What 8 (Linux 7.0), 9 (7.1) and 10
// (7.2) brought is left alone: the first restricts the other threads of a
// process, of which the child has none; of the others, sockets that are found
// by their path and UDP ports, lpm has not seen a refusal yet, and it claims
// none. It goes on saying that UDP is open.
func landlockABIs() []landlockABI {
	return []landlockABI{
		{"5.13", []string{
			rightExecute, rightWriteFile, rightReadFile, rightReadDir, rightRemoveDir, rightRemoveFile, rightMakeChar,
			rightMakeDir, rightMakeReg, rightMakeSock, rightMakeFifo, rightMakeBlock, rightMakeSym,
		}},
		{"5.19", []string{rightRefer}},
		{"6.2", []string{rightTruncate}},
		{"6.7", []string{rightBind, rightConnect}},
		{"6.10", []string{rightIoctlDev}},
		{"6.12", []string{scopeAbstract, scopeSignal}},
		{"6.15", []string{logNoSubdomains}},
	}
}

// landlockNetworkABI is the first version that knows TCP ports.
const landlockNetworkABI = 4

// LandlockRight is something that Landlock can do: take a right away, bound a
// scope, or heed a flag.
type LandlockRight struct {
	// Name is the kernel's, such as "LANDLOCK_ACCESS_FS_TRUNCATE".
	Name string `json:"name"`
	// ABI is the first version of Landlock that knows it, and Linux the first
	// release with that.
	ABI   int    `json:"abi"`
	Linux string `json:"linux"`
}

// String names the right as people do who know Landlock: "truncate (ABI 3,
// Linux 6.2)".
func (r LandlockRight) String() string {
	name := r.Name
	for _, prefix := range []string{"LANDLOCK_ACCESS_FS_", "LANDLOCK_ACCESS_NET_", "LANDLOCK_", "RESTRICT_SELF_"} {
		name = strings.TrimPrefix(name, prefix)
	}
	return fmt.Sprintf("%s (ABI %d, Linux %s)", strings.ToLower(name), r.ABI, r.Linux)
}

// LandlockLacks returns what a version of Landlock lacks of all that lpm uses,
// in the order in which it came. 0 is a kernel without Landlock.
func LandlockLacks(abi int) []LandlockRight {
	var lacks []LandlockRight
	for i, version := range landlockABIs() {
		if i+1 <= abi {
			continue
		}
		for _, name := range version.brought {
			lacks = append(lacks, LandlockRight{Name: name, ABI: i + 1, Linux: version.linux})
		}
	}
	return lacks
}

// splitByABI divides what is wanted into what a version of Landlock knows, in
// the order of the table, and what it lacks.
func splitByABI(wanted []string, abi int) (known []string, missing []LandlockRight) {
	for _, r := range LandlockLacks(0) {
		switch {
		case !slices.Contains(wanted, r.Name):
		case r.ABI <= abi:
			known = append(known, r.Name)
		default:
			missing = append(missing, r)
		}
	}
	return known, missing
}
