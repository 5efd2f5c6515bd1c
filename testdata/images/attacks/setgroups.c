/*
 * Leaves the caller's groups, to get at what is closed to one of them
 * (setgroups(2); CVE-2014-8989).
 */
#include "attempt.h"
#include <grp.h>

int main(void)
{
	if (syscall(SYS_setgroups, 0, NULL) < 0)
		refused("setgroups");
	errno = 0;
	if (getgroups(0, NULL) != 0)
		refused("setgroups");
	succeeded("no groups");
}
