/*
 * Starts more processes than it may have in a user namespace of its own,
 * which counts them anew (user_namespaces(7); CVE-2022-24122 was in the
 * count).
 */
#include "attempt.h"
#include <sched.h>

int main(void)
{
	if (unshare(CLONE_NEWUSER) < 0)
		refused("unshare");
	for (int started = 0; started < 200; started++) {
		pid_t pid = fork();

		if (pid < 0)
			refused("fork");
		if (pid == 0)
			for (;;)
				pause();
	}
	succeeded("200 processes");
}
