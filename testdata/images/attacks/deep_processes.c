/*
 * Executes far down in a tree of processes, whose parents are gone or wait
 * (pid_namespaces(7), prctl(2)).
 */
#include "attempt.h"
#include "race.h"

int main(void)
{
	int *found = shared(sizeof *found), status;

	for (int depth = 0; depth < 60; depth++) {
		pid_t pid = fork();

		if (pid < 0)
			refused("fork");
		if (pid == 0)
			continue;
		/* Some wait, and some leave the child without a parent. */
		if (depth % 3 != 2 || depth == 0)
			waitpid(pid, &status, 0);
		if (depth > 0)
			_exit(0);
		/* The first one waits for whoever has become its child as well. */
		while (wait(&status) > 0)
			;
		for (int i = 0; i < 1000 && *found == 0; i++)
			usleep(10000);
		if (*found == 1)
			succeeded("executed 60 processes down");
		errno = *found;
		refused("execve");
	}
	*found = executes(OTHER) ? 1 : errno;
	_exit(0);
}
