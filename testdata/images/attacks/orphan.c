/*
 * Outlives the container: leaves a process behind that is in a session of its
 * own, adopted, and not to be told of its parent's end (daemon(3); prctl(2),
 * PR_SET_CHILD_SUBREAPER and PR_SET_PDEATHSIG).
 */
#include "attempt.h"

int main(void)
{
	pid_t child;

	prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0);
	prctl(PR_SET_PDEATHSIG, 0, 0, 0, 0);
	child = fork();
	if (child == 0) {
		setsid();
		if (fork() == 0) {
			sleep(1);
			succeeded("still there");
		}
		_exit(0);
	}
	if (child < 0)
		refused("fork");
	waitpid(child, NULL, 0);
	errno = 0;
	refused("fork");
}
