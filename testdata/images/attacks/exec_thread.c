/*
 * Executes in a thread that is not the first, which takes the number of the
 * first by that (execve(2), "Effect on other threads"), and once more in what
 * has been executed.
 */
#include "attempt.h"
#include "race.h"

static char *program;

static void *executes_program(void *arg)
{
	char *argv[] = { program, arg, NULL }, *envp[] = { NULL };

	execve(program, argv, envp);
	return NULL;
}

int main(int argc, char **argv)
{
	program = OTHER;
	if (argc == 2) {
		/* Executed by another thread: this is the first one now. */
		if (executes(program))
			succeeded("executed after a thread has executed");
		refused("execve");
	}
	if (executes(program))
		succeeded("executed by the first thread");
	pthread_join(begin(executes_program, NULL), NULL);
	program = "/bin/exec_thread";
	pthread_join(begin(executes_program, "again"), NULL);
	refused("execve");
}
