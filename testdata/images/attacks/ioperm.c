/*
 * Gives itself a port of the machine's devices (ioperm(2)): the clock's.
 */
#include "attempt.h"

int main(void)
{
#ifdef __x86_64__
	if (syscall(SYS_ioperm, 0x70, 2, 1) == 0)
		succeeded("ports of the machine's clock");
	if (errno == ENOSYS)
		cannot_tell("this kernel has no ioperm");
	refused("ioperm");
#else
	cannot_tell("ioperm is of x86");
#endif
}
