// Package static tells which system calls the machine code of an image's
// programs can make.
//
// It reads ELF files for amd64 and arm64. Of each it finds the functions (from
// Go's table, the unwinding table, symbols, and calls), the instructions that
// enter the kernel, and the number that each of them is given: a constant, one
// of a few, or what the function's callers pass on, over as many functions as
// it takes. Who calls whom is followed from where a program and its loader
// start, and from what is called when a library is loaded, by direct calls and
// jumps, through the procedure linkage table to the file that exports the
// symbol, and by every address that reachable code takes: of a function, or of
// data that holds pointers, whose pointers then count as taken too. Go
// programs count whole: Go's linker has left out what nothing uses.
//
// What it claims:
//
//   - A call that it finds is in code that can be reached as far as its
//     references tell; whether any input leads there is not asked. Each comes
//     with how it is reached: "nginx → rename (libc.so.6)". Functions count
//     whole, and a pointer that is taken counts as called.
//   - A call that it does not find is not made by this code, if there are no
//     [Evidence.Sites] and no [Evidence.Unknown]. Both are said, and neither
//     means none.
//   - Not seen is: code that is made at run time (JIT compilers), or that is
//     loaded by dlopen(3) and was in no record; calls of functions that dlsym(3)
//     looks up by a name put together at run time, unless the library was
//     opened by dlopen, all of whose exports count; pointers that are computed
//     rather than taken; the i386 calls of "int $0x80", which a filter kills.
//   - A number that is in the file's data is what that word begins with and what
//     code writes to it, if the word is the file's own and no address of it is
//     taken. Of a word that is a pointer to where the number is, it is what the
//     functions that set the pointer are given: glibc's setuid and its kind hand
//     the call to the other threads so. What is written through a pointer to
//     another part of the same object is told by what code names before the
//     word, and by symbols; where neither settles it, the call is unknown.
//   - Where data has no symbols, an object ends where the next aligned address
//     that the code mentions begins. A pointer to the middle of an object does
//     not lead to what is before it.
//
// Of the calls that the vDSO answers without entering the kernel
// (clock_gettime, gettimeofday, time, getcpu), C libraries and Go's runtime
// have the system call beside it, for kernels without one; so they are found
// as all others are.
package static
