// Package report tells of what a container is refused: when it happens, at the
// end, in a file for programs, and as a question to a person before.
//
// The container is hostile, and tries what it likes as often as it likes. So
//
//   - what comes from it is escaped, and cut where it is long, before it is
//     printed; the file has all of it, as JSON;
//   - of what happens only so much is printed in a second, and of what happened
//     only so much at the end; the rest is counted;
//   - nothing waits for the terminal but the person's questions, one at a time,
//     while nothing else is printed.
//
// The lines of the file are described in docs/denials.md.
//
// The package is part of every launch, and links nothing of the command line,
// registries and CUE.
package report
