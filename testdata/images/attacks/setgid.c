/*
 * Joins another group (setgid(2); credentials(7)).
 */
#include "attempt.h"

int main(void)
{
	if (syscall(SYS_setgid, 33) < 0)
		refused("setgid");
	errno = 0;
	if (getgid() != 33)
		refused("setgid");
	succeeded("group %u", getgid());
}
