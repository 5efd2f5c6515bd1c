/*
 * Makes a child of whoever started the container, which is outside of it
 * (clone(2), CLONE_PARENT: refused to the first process of a pid namespace
 * ever since there were such).
 */
#include "attempt.h"
#include <sched.h>
#include <signal.h>

int main(void)
{
	pid_t pid = syscall(SYS_clone, CLONE_PARENT | SIGCHLD, 0, 0, 0, 0);

	if (pid < 0)
		refused("clone");
	if (pid == 0)
		_exit(0);
	succeeded("process %d is not our child", pid);
}
