/*
 * Makes a namespace for clocks of its own, which takes a flag that clone has
 * no room for (time_namespaces(7)).
 */
#include "attempt.h"
#include <sched.h>

#ifndef CLONE_NEWTIME
#define CLONE_NEWTIME 0x80
#endif

int main(void)
{
	static const char offset[] = "monotonic 1000 0\n";
	int fd;

	if (unshare(CLONE_NEWUSER | CLONE_NEWTIME) < 0)
		refused("unshare");
	fd = open("/proc/self/timens_offsets", O_WRONLY);
	if (fd < 0 || write(fd, offset, sizeof offset - 1) < 0)
		refused("write");
	succeeded("clocks of ours");
}
