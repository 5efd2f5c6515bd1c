// Package enforcer prepares the launch of a container under a manifest.
//
// [Prepare] does everything that can be done before: it probes the host, looks
// at the image's tree, computes the plan, makes the overlay layer and compiles
// the filters. What it returns can be printed, kept and, by package container,
// run.
//
// The parts are packages below this one: plan decides and touches nothing,
// container, launch and supervise act and decide nothing of their own.
package enforcer
