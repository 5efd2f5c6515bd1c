/*
 * Becomes another user (setuid(2); credentials(7)).
 */
#include "attempt.h"

int main(void)
{
	if (syscall(SYS_setuid, 33) < 0)
		refused("setuid");
	errno = 0;
	if (getuid() != 33)
		refused("setuid");
	succeeded("user %u", getuid());
}
