/*
 * Opens the file by which the kernel is told to reboot, kill or crash
 * (Documentation/admin-guide/sysrq.rst). It presses no key.
 */
#include "attempt.h"
#include <fcntl.h>

int main(void)
{
	if (open("/proc/sysrq-trigger", O_WRONLY) < 0)
		refused("open");
	succeeded("sysrq-trigger is open for writing");
}
