/*
 * Regains every capability in a user namespace of its own
 * (user_namespaces(7); the first step of CVE-2022-0185 and many others).
 */
#include "attempt.h"
#include <sched.h>

int main(void)
{
	unsigned long long before = capabilities();

	if (unshare(CLONE_NEWUSER) < 0)
		refused("unshare");
	errno = 0;
	if (capabilities() == before)
		refused("unshare");
	succeeded("capabilities %#llx", capabilities());
}
