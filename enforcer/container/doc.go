// Package container runs a prepared launch.
//
// A [Launch] holds a plan and its compiled filters; where they come from is
// not this package's matter. [Launch.Run] makes the standard streams and the
// cgroup, starts the container, supervises it, passes signals on and reports
// how it ended and what it was refused.
//
// It stays as long as the container does, and every launch pays for what it
// links: no cgo, and nothing of CUE, registries and the command line.
package container
