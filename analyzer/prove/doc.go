// Package prove finds out which permissions of a manifest a workload needs, by
// leaving them out.
//
// [Search] is pure: it is given an [Oracle] that tries the workload without
// some of the [Candidate]s, and decides what to try next. It starts with what
// much can hang on (users, programs), goes on with what the evidence says is
// rarely used, in groups, and splits those that the workload does not pass
// without. What it passes without stays out, and the next is tried on top of
// that. So where two entries can replace each other, one of them stays.
//
// What it says of a permission is a statement about this workload:
//
//   - needed: with the permission left out the workload failed, twice, and
//     once of these with all else granted, unless the finding says that only
//     something that was left out before makes it needed;
//   - unneeded: the workload passed as often as is asked for, in a row, with
//     this and all other unneeded permissions left out together. Left out
//     alone, one of them may be missed;
//   - undecided: it was not tried, or the trials do not agree.
package prove
