/*
 * Makes a user namespace by the flags of clone3, which are behind a pointer
 * where no filter sees them (clone(2); moby's profile answers ENOSYS).
 */
#include "attempt.h"
#include <sched.h>
#include <signal.h>
#include <linux/sched.h>

int main(void)
{
	struct clone_args args = { .flags = CLONE_NEWUSER, .exit_signal = SIGCHLD };
	int status = 0;
	pid_t pid = syscall(SYS_clone3, &args, sizeof args);

	if (pid < 0)
		refused("clone3");
	if (pid == 0)
		_exit(capabilities() ? 0 : 1);
	waitpid(pid, &status, 0);
	if (status != 0)
		cannot_tell("a namespace without capabilities");
	succeeded("a child with every capability");
}
