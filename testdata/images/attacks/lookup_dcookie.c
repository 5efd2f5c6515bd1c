/*
 * Asks for the path of a number that profiling gave out (lookup_dcookie(2),
 * gone since Linux 6.7).
 */
#include "attempt.h"

int main(void)
{
#ifdef SYS_lookup_dcookie
	char path[4096];

	if (syscall(SYS_lookup_dcookie, 1UL, path, sizeof path) >= 0 || errno == EINVAL)
		succeeded("the kernel looked");
	if (errno != ENOSYS)
		refused("lookup_dcookie");
#endif
	cannot_tell("this kernel has no lookup_dcookie");
}
