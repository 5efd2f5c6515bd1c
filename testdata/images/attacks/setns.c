/*
 * Joins the user namespace of another process (setns(2); what nsenter(1) does
 * with a container's).
 */
#include "attempt.h"
#include <sched.h>

int main(void)
{
	volatile int *ready = shared(sizeof *ready);
	char path[64];
	pid_t pid = fork();
	int fd;

	if (pid == 0) {
		prctl(PR_SET_PDEATHSIG, 9, 0, 0, 0);
		if (unshare(CLONE_NEWUSER) < 0)
			_exit(1);
		*ready = 1;
		for (;;)
			pause();
	}
	while (*ready == 0)
		usleep(1000);
	snprintf(path, sizeof path, "/proc/%d/ns/user", pid);
	fd = open(path, O_RDONLY);
	if (fd < 0)
		refused("open");
	if (setns(fd, CLONE_NEWUSER) < 0)
		refused("setns");
	errno = 0;
	if (capabilities() == 0)
		refused("setns");
	succeeded("capabilities %#llx", capabilities());
}
