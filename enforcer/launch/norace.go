//go:build !race

package launch

// sharing says whether a child can work in this process's memory.
const sharing = true
