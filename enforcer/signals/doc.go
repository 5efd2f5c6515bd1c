// Package signals queues the signals that are another process's.
//
// Package os/signal would do too, at the price of a thread and of a change of
// threads for every signal that is asked for, at the start of each container.
// Here the handler writes the signal into a pipe.
package signals
