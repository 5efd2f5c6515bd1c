/* Threads that wait for each other, and one that changes who they are: the C
 * library has all of them do it. */
#define _GNU_SOURCE
#include <pthread.h>
#include <stdio.h>
#include <unistd.h>

static pthread_barrier_t barrier;

static void *work(void *p)
{
	pthread_barrier_wait(&barrier);
	pthread_barrier_wait(&barrier);
	return p;
}

int main(void)
{
	pthread_t threads[8];
	pthread_barrier_init(&barrier, NULL, 9);
	for (int i = 0; i < 8; i++)
		if (pthread_create(&threads[i], NULL, work, NULL) != 0)
			return 1;
	pthread_barrier_wait(&barrier);
	if (setresuid(getuid(), -1, -1) != 0)
		return 2;
	pthread_barrier_wait(&barrier);
	for (int i = 0; i < 8; i++)
		pthread_join(threads[i], NULL);
	puts("passed");
	return 0;
}
