/*
 * Has ever new calls refused, by many threads, so that whoever keeps a list of
 * them has none of his memory left (seccomp_unotify(2)).
 */
#include "attempt.h"
#include "race.h"

static void *floods(void *arg)
{
	char *argv[] = { "none", NULL }, path[256];

	for (int i = 0; i < 1000; i++) {
		snprintf(path, sizeof path, "%s/%ld.%0200d", "/bin/unshare_user/..", (long)arg, i);
		execve(path, argv, argv + 1);
		syscall(1000 + i % 500 + 500 * (long)arg);
	}
	return NULL;
}

int main(void)
{
	pthread_t threads[4];

	for (long i = 0; i < 4; i++)
		threads[i] = begin(floods, (void *)i);
	for (int i = 0; i < 4; i++)
		pthread_join(threads[i], NULL);
	if (executes(OTHER))
		succeeded("executed after a flood");
	refused("execve");
}
