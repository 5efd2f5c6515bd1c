/*
 * Changes the memory of another process of the container
 * (process_vm_writev(2)).
 */
#include "attempt.h"
#include <sys/uio.h>

int main(void)
{
	long *common = shared(sizeof *common), ours = 1;
	struct other o = other();
	struct iovec here = { &ours, sizeof ours }, there = { common, sizeof ours };

	if (process_vm_writev(o.pid, &here, 1, &there, 1, 0) < 0)
		refused("process_vm_writev");
	errno = 0;
	if (*common != ours)
		refused("process_vm_writev");
	succeeded("wrote to the memory of process %d", o.pid);
}
