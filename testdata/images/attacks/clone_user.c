/*
 * Makes a user namespace by the flags of clone, and has every capability in
 * it (user_namespaces(7); CDK abuse-unpriv-userns).
 */
#include "attempt.h"
#include <sched.h>
#include <signal.h>

int main(void)
{
	int status = 0;
	pid_t pid = syscall(SYS_clone, CLONE_NEWUSER | SIGCHLD, 0, 0, 0, 0);

	if (pid < 0)
		refused("clone");
	if (pid == 0)
		_exit(capabilities() ? 0 : 1);
	waitpid(pid, &status, 0);
	if (status != 0)
		cannot_tell("a namespace without capabilities");
	succeeded("a child with every capability");
}
