/*
 * Makes a call by its x32 number, which a filter by native numbers takes for
 * one that it does not know, or worse (seccomp(2), NOTES; CVE-2009-0835).
 */
#include "attempt.h"

int main(void)
{
#ifdef __x86_64__
	const long x32 = 0x40000000;
	long pid = syscall(x32 | SYS_getpid);

	if (pid == getpid())
		succeeded("getpid of x32 says %ld", pid);
	if (errno == ENOSYS)
		cannot_tell("this kernel has no x32 calls");
	refused("getpid");
#else
	cannot_tell("x32 is of x86");
#endif
}
