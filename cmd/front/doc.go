// Package front is the program that a person starts as lpm.
//
// A launch that has been prepared is run here, by a process that links neither
// CUE nor the registry's libraries nor C. Everything else, and a launch that
// is not prepared or not as it was, is the business of the whole program,
// which takes this process's place: lpm-core prepares the launch and hands it
// back. So there is one place where containers are started, however often.
//
// What a launch is held against each time: the programs of lpm, the store's
// index, the machine, the trusted keys, and the approval's signature and end.
// The last three are looked at while the container is being made; its program
// does not run before.
package front
