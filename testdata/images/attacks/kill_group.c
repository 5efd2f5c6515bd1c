/*
 * Signals its process group, which a shell makes for all of a command
 * (kill(2); a container without a session of its own shares the caller's).
 */
#include "attempt.h"
#include <signal.h>

int main(void)
{
	if (kill(0, SIGWINCH) < 0)
		refused("kill");
	errno = 0;
	refused("kill");
}
