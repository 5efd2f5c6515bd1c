package host

import "golang.org/x/sys/unix"

// nodeCalls are the calls that make special files.
func nodeCalls() []int { return []int{unix.SYS_MKNODAT} }
