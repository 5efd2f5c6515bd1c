/*
 * Makes a call through the 32-bit entry of the kernel, where numbers mean
 * other calls (seccomp(2), NOTES; CVE-2009-0835).
 */
#include "attempt.h"
#include <signal.h>

#ifdef __x86_64__
static void fault(int number)
{
	static const char text[] = "cannot tell: this kernel has no 32-bit entry\n";

	if (write(1, text, sizeof text - 1) > 0)
		_exit(2);
	_exit(number);
}
#endif

int main(void)
{
#ifdef __x86_64__
	const int getpid32 = 20;
	int pid;

	signal(SIGSEGV, fault);
	__asm__ volatile ("int $0x80" : "=a" (pid) : "a" (getpid32) : "memory", "r8", "r9", "r10", "r11");
	if (pid == getpid())
		succeeded("getpid of i386 says %d", pid);
	errno = -pid;
	refused("getpid");
#else
	cannot_tell("int 0x80 is of x86");
#endif
}
