/*
 * Allows itself to dump core again, for which the kernel starts a program of
 * the host as root (core(5), "Piping core dumps to a program").
 */
#include "attempt.h"
#include <sys/resource.h>

int main(void)
{
	const struct rlimit all = { 1 << 20, 1 << 20 };
	struct rlimit now;

	if (prlimit(0, RLIMIT_CORE, &all, NULL) < 0)
		refused("prlimit");
	errno = 0;
	if (prlimit(0, RLIMIT_CORE, NULL, &now) < 0 || now.rlim_cur != all.rlim_cur)
		refused("prlimit");
	succeeded("room for a core dump");
}
