/*
 * Other threads, for what changes between the look at a call and the call, and
 * a program that is not granted.
 */
#include <pthread.h>
#include <signal.h>

#define OTHER "/bin/unshare_user"
#define GRANTED 42 /* with which the granted program ends */

/* Both at the same place, in turn. */
struct swap {
	char *place;
	const void *granted, *other;
	size_t size;
	volatile int over;
};

__attribute__((unused))
static void *swaps(void *arg)
{
	struct swap *s = arg;

	while (!s->over) {
		memcpy(s->place, s->other, s->size);
		memcpy(s->place, s->granted, s->size);
	}
	return NULL;
}

__attribute__((unused))
static pthread_t begin(void *(*work)(void *), void *arg)
{
	pthread_t thread;

	errno = pthread_create(&thread, NULL, work, arg);
	if (errno)
		refused("pthread_create");
	return thread;
}

/* What is executed says so by its end, if it is the granted one. */
__attribute__((unused))
static void end_if_granted(int argc, char **argv)
{
	if (argc == 2 && strcmp(argv[1], "granted") == 0)
		_exit(GRANTED);
}

/*
 * Whether a child executed something else than the granted program. The child
 * executes by the function, which returns where it is refused.
 */
__attribute__((unused))
static int executed_other(void (*execute)(char **argv, char **envp))
{
	char *argv[] = { "program", "granted", NULL }, *envp[] = { NULL };
	int status, met = 0;
	volatile int *why = shared(sizeof *why);
	pid_t pid = fork();

	if (pid == 0) {
		close(1);
		execute(argv, envp);
		*why = errno;
		_exit(GRANTED);
	}
	if (pid < 0 || waitpid(pid, &status, 0) < 0)
		refused("fork");
	met = *why;
	munmap((void *)why, sizeof *why);
	if (met)
		errno = met;
	return !WIFEXITED(status) || WEXITSTATUS(status) != GRANTED;
}
