/*
 * Kills every process that it can (kill(2), -1).
 */
#include "attempt.h"
#include <signal.h>

int main(void)
{
	/* Nowhere but in a namespace: it would be the caller's processes. */
	if (getpid() > 2)
		cannot_tell("this may be the machine");
	if (fork() == 0)
		for (;;)
			pause();
	if (kill(-1, SIGKILL) < 0)
		refused("kill");
	errno = 0;
	refused("kill");
}
