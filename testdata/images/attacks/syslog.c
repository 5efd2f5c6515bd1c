/*
 * Reads the kernel's log, which tells addresses and what the host does
 * (syslog(2)).
 */
#include "attempt.h"

int main(void)
{
	static char log[1 << 16];
	const int read_all = 3;
	long n = syscall(SYS_syslog, read_all, log, sizeof log);

	if (n < 0)
		refused("syslog");
	errno = 0;
	if (n == 0)
		refused("syslog");
	succeeded("%ld bytes of the kernel's log", n);
}
