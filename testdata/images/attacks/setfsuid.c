/*
 * Becomes another user for files alone (setfsuid(2)), which tells of no error.
 */
#include "attempt.h"

int main(void)
{
	long was = syscall(SYS_setfsuid, 33), is;

	if (was < 0)
		refused("setfsuid");
	is = syscall(SYS_setfsuid, -1);
	errno = 0;
	if (is != 33)
		refused("setfsuid");
	succeeded("user %ld for files", is);
}
