/*
 * Copies a descriptor out of another process of the container
 * (pidfd_getfd(2)).
 */
#include "attempt.h"

int main(void)
{
	struct other o = other();
	long got = 0;
	int pidfd = syscall(SYS_pidfd_open, o.pid, 0), fd;

	if (pidfd < 0)
		refused("pidfd_open");
	fd = syscall(SYS_pidfd_getfd, pidfd, o.fd, 0);
	if (fd < 0)
		refused("pidfd_getfd");
	errno = 0;
	if (read(fd, &got, sizeof got) != sizeof got || got != SECRET)
		refused("read");
	succeeded("read the secret of process %d", o.pid);
}
