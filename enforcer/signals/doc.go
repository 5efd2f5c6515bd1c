// Package signals queues the signals that are another process's.
//
// It does for a program in Go what signalfd(2) does for one that can block a
// signal in all of its threads: a [Queue] is a descriptor that can be polled
// beside others. Package os/signal would do too, at the price of a thread and
// of a change of threads for every signal that is asked for, which is longer
// than a container takes to start.
package signals
