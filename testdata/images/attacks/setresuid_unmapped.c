/*
 * Becomes a user that the container has no id for (user_namespaces(7),
 * "User and group ID mappings").
 */
#include "attempt.h"

int main(void)
{
	const int unmapped = 70000;

	if (syscall(SYS_setresuid, unmapped, unmapped, unmapped) < 0)
		refused("setresuid");
	errno = 0;
	if (getuid() != unmapped)
		refused("setresuid");
	succeeded("user %u", getuid());
}
