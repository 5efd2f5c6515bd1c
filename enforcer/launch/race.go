//go:build race

package launch

// sharing says whether a child can work in this process's memory. The race
// detector wants to be told of every function, also in the child, which it takes
// for the goroutine that made it.
const sharing = false
