/*
 * Makes a namespace for a host name of its own, as unshare(1) does.
 */
#include "attempt.h"
#include <sched.h>

int main(void)
{
	char name[64] = "";

	if (unshare(CLONE_NEWUSER | CLONE_NEWUTS) < 0)
		refused("unshare");
	if (sethostname("ours", 4) < 0)
		refused("sethostname");
	gethostname(name, sizeof name - 1);
	errno = 0;
	if (strcmp(name, "ours") != 0)
		refused("sethostname");
	succeeded("the host is called %s", name);
}
