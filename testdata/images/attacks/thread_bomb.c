/*
 * Starts more threads than it may have processes, after raising the limit
 * (getrlimit(2), RLIMIT_NPROC; cgroups(7)).
 */
#include "attempt.h"
#include <pthread.h>
#include <sys/resource.h>

static void *wait_forever(void *none)
{
	for (;;)
		pause();
	return none;
}

int main(void)
{
	const struct rlimit all = { RLIM_INFINITY, RLIM_INFINITY };

	prlimit(0, RLIMIT_NPROC, &all, NULL);
	for (int started = 0; started < 200; started++) {
		pthread_t thread;
		int failed = pthread_create(&thread, NULL, wait_forever, NULL);

		if (failed) {
			errno = failed;
			refused("pthread_create");
		}
	}
	succeeded("200 threads");
}
