/*
 * Restarts the machine (reboot(2)). In a pid namespace that is one, of whose
 * first process it means the end.
 */
#include "attempt.h"
#include <linux/reboot.h>

int main(void)
{
	/* Nowhere but in a namespace: it would be the machine. */
	if (getpid() > 2)
		cannot_tell("this may be the machine");
	if (syscall(SYS_reboot, LINUX_REBOOT_MAGIC1, LINUX_REBOOT_MAGIC2, LINUX_REBOOT_CMD_RESTART, NULL) < 0)
		refused("reboot");
	succeeded("restarted");
}
