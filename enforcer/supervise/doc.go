// Package supervise answers the system calls that a container's filter hands
// over.
//
// [Serve] receives them one by one and asks a [Policy]. A call is let go on
// only where nothing is being enforced, where the kernel enforces the same
// rule once more (Landlock, the file system), or where the verdict does not
// depend on memory that the container can change; everything else is refused.
// When the supervisor dies, the kernel refuses every waiting and later call.
package supervise
