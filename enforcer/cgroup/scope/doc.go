// Package scope has systemd put a process into a control group with limits.
//
// A scope is a unit around processes that somebody else has started. The
// manager of a user makes one at the user's request, in the part of the cgroup
// tree that was delegated to it, and moves the process there, for which an
// ordinary user has no right of its own where the process comes from. A scope
// without processes ends, and its group with it: nothing is left behind by a
// launcher that is killed.
//
// The interface is org.freedesktop.systemd1(5), by D-Bus. A limit whose
// controller the manager does not have is ignored by systemd without a word,
// so that each is read back from the group.
package scope
