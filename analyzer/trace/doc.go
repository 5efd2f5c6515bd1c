// Package trace watches a container from inside the kernel, with eBPF.
//
// It is the second recorder. The first, package record as the policy of a
// supervisor, stops every call and looks at the caller; this one stops none:
// small programs at the kernel's tracepoints count, and hand over what cannot
// be counted. It takes privilege, sees capability checks exactly, and can be
// attached to a container that runs already, under any engine.
//
//	sys_enter           counts each (program, call, recorded arguments); takes
//	                    the caller's ids where a call is about to change them
//	sys_exit            takes what a call has named: the caller's memory is
//	                    there now, and whether the call did anything is known
//	sched_process_fork  follows the tree, before the child runs
//	sched_process_exec  learns the program
//	sched_process_exit  forgets the process
//	cap_capable         counts each (program, call, capability)
//	signal_generate     keeps to whom a call has sent a signal, for sys_exit
//
// Nothing is lost under load, for what happens again is a number that grows:
// what a call has named is hashed in the kernel, and only a name that was not
// there before is sent. A map or buffer that is full is counted, as is memory
// that could not be read, and the record says so ([evidence.Record.Lost]).
//
// The programs are written here, in the kernel's instructions, and take the
// offsets of the kernel's structures from its own type information: nothing
// is compiled, and no kernel is assumed.
package trace
