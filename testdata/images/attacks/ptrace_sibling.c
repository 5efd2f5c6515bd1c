/*
 * Takes another process of the container over and reads its memory
 * (ptrace(2); CDK check-ptrace).
 */
#include "attempt.h"
#include <sys/ptrace.h>

int main(void)
{
	struct other o = other();

	if (ptrace(PTRACE_SEIZE, o.pid, 0, 0) < 0)
		refused("ptrace");
	if (ptrace(PTRACE_INTERRUPT, o.pid, 0, 0) < 0 || waitpid(o.pid, NULL, 0) < 0)
		refused("ptrace");
	errno = 0;
	if (ptrace(PTRACE_PEEKDATA, o.pid, o.secret, 0) != SECRET)
		refused("ptrace");
	succeeded("read the secret of process %d", o.pid);
}
