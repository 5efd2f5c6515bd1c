// Package render prints for people and for programs.
//
// The contract with the terminal:
//
//   - Results go to standard output; questions, progress, warnings and errors
//     to standard error. Answers are read from standard input.
//   - Colour is used only where standard output is a terminal, TERM is not
//     "dumb" and NO_COLOR is not set.
//   - Questions are asked only where all three are a terminal: nobody must say
//     yes to what went into a file unseen. Elsewhere [ErrNoTerminal] comes back.
//   - Progress appears only for work that takes longer than a second.
//   - Whatever came from outside lpm (names, reasons, paths, errors that quote
//     them) passes through [Escape] before it is printed, and what a person
//     decides on through [Reveal]. JSON stays JSON, and has the same characters
//     in its own \u form.
package render
