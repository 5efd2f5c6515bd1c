// Package analyzer turns records of watched runs into a proposed manifest.
//
// [Propose] is a pure function: the same records and facts give the same
// proposal, so that it can be made again from old records when the rules
// become better. Each permission that it proposes says what it rests on; see
// [Explanation]. Recording itself is in package record.
package analyzer
