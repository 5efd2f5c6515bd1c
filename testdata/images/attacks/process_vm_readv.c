/*
 * Reads the memory of another process of the container
 * (process_vm_readv(2)).
 */
#include "attempt.h"
#include <sys/uio.h>

int main(void)
{
	struct other o = other();
	long got = 0;
	struct iovec here = { &got, sizeof got }, there = { o.secret, sizeof got };

	if (process_vm_readv(o.pid, &here, 1, &there, 1, 0) < 0)
		refused("process_vm_readv");
	errno = 0;
	if (got != SECRET)
		refused("process_vm_readv");
	succeeded("read the secret of process %d", o.pid);
}
