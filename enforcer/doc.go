// Package enforcer launches a container under a manifest.
//
// [Prepare] does everything that can be done before: it probes the host, looks
// at the image's tree, computes the plan, makes the overlay layer and compiles
// the filters. What it returns can be printed. [Prepared.Run] starts it,
// supervises it and reports how it ended and what it was refused.
//
// The parts are packages below this one: plan decides and touches nothing,
// launch and supervise act and decide nothing of their own.
package enforcer
