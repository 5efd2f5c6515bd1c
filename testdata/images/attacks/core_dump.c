/*
 * Dumps core, for which the kernel may start a program of the host as root
 * (core(5); CDK mount-procfs).
 */
#include "attempt.h"
#include <sys/resource.h>

int main(void)
{
	struct rlimit core;
	int status;

	if (prlimit(0, RLIMIT_CORE, NULL, &core) < 0)
		refused("prlimit");
	core.rlim_cur = core.rlim_max;
	if (prlimit(0, RLIMIT_CORE, &core, NULL) < 0)
		refused("prlimit");
	if (fork() == 0)
		abort();
	if (wait(&status) < 0)
		refused("wait");
	errno = 0;
	if (!WCOREDUMP(status))
		refused("abort");
	succeeded("the kernel wrote a core dump");
}
