/*
 * Takes the terminal away from the session that has it (ioctl_tty(2),
 * TIOCSCTTY).
 */
#include "attempt.h"
#include "terminal.h"

int main(void)
{
	int tty = own_terminal(), status;
	pid_t pid = fork();

	if (pid == 0) {
		int met = 0;

		/* A session of its own, which has none. */
		setsid();
		for (int force = 0; force < 3; force++) {
			if (ioctl(tty, TIOCSCTTY, force) == 0)
				_exit(0);
			met = errno;
		}
		_exit(met);
	}
	if (pid < 0 || waitpid(pid, &status, 0) < 0 || !WIFEXITED(status))
		refused("fork");
	errno = WEXITSTATUS(status);
	if (errno)
		refused("TIOCSCTTY");
	succeeded("another session has the terminal");
}
