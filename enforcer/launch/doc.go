// Package launch turns a plan into a running container.
//
// The plan's operations are translated into plain system call numbers and
// arguments, the process forks into its new namespaces, and the child makes
// the calls one after the other. No Go code that could allocate, lock or grow
// a stack runs between the fork and the execution of the program, and nothing
// is decided there: an operation that fails ends the child and is reported by
// its index, name and error.
//
// Until it executes the program, the child works in this process's memory, as
// after vfork(2), and this process goes on meanwhile. It can be made before it is
// known what it is to do: see [Hold].
//
// A container has one process at the start, or two: with a [plan.Init] the
// first stays behind, makes raw calls alone too, and executes nothing. It has a
// copy of the memory.
//
// The container lives no longer than this process.
package launch
