// Package manual writes the manual pages of a command line, in mdoc(7).
//
// A page says what cobra knows of a command (its text, its flags, its verbs)
// and what it does not: how the command ends, which variables it reads and
// where its files are. The same command gives the same bytes.
package manual
