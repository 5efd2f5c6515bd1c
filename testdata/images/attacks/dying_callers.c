/*
 * Ends threads and processes while the supervisor looks at their calls: by a
 * signal, by another thread that ends all, by one that executes
 * (seccomp_unotify(2), SECCOMP_IOCTL_NOTIF_ID_VALID).
 */
#include "attempt.h"
#include "race.h"

static void *calls(void *arg)
{
	char *argv[] = { OTHER, NULL }, *envp[] = { NULL };

	for (;;) {
		execve(OTHER, argv, envp);
		execve("/bin/none", argv, envp);
		syscall(SYS_execveat, 0, arg, argv, envp, 0);
	}
	return arg;
}

int main(int argc, char **argv)
{
	end_if_granted(argc, argv);
	for (int i = 0; i < 90; i++) {
		int status;
		pid_t pid = fork();

		if (pid == 0) {
			char *self[] = { "program", "granted", NULL }, *envp[] = { NULL };

			close(1);
			for (int t = 0; t < 4; t++)
				begin(calls, "none");
			usleep(i * 37);
			if (i % 3 == 0)
				_exit(GRANTED);
			if (i % 3 == 1)
				execve("/bin/dying_callers", self, envp);
			for (;;)
				pause();
		}
		if (pid < 0)
			refused("fork");
		if (i % 3 == 2) {
			usleep(i * 41);
			kill(pid, SIGKILL);
		}
		if (waitpid(pid, &status, 0) < 0)
			refused("waitpid");
		if (WIFEXITED(status) && WEXITSTATUS(status) != GRANTED)
			succeeded("executed by a caller that was to die, by the %d. try", i + 1);
	}
	if (executes(OTHER))
		succeeded("executed after callers have died");
	refused("execve");
}
