/*
 * Gives itself the processor's privilege to talk to devices (iopl(2)).
 */
#include "attempt.h"

int main(void)
{
#ifdef __x86_64__
	if (syscall(SYS_iopl, 3) == 0)
		succeeded("input and output of the machine");
	if (errno == ENOSYS)
		cannot_tell("this kernel has no iopl");
	refused("iopl");
#else
	cannot_tell("iopl is of x86");
#endif
}
