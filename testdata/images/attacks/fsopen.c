/*
 * Mounts a file system that it never attaches, and writes to it (fsopen(2);
 * CVE-2022-0185 was in fsconfig).
 */
#include "attempt.h"
#include <linux/mount.h>

int main(void)
{
	int fs = syscall(SYS_fsopen, "tmpfs", 0), mount;

	if (fs < 0)
		refused("fsopen");
	if (syscall(SYS_fsconfig, fs, FSCONFIG_CMD_CREATE, NULL, NULL, 0) < 0)
		refused("fsconfig");
	mount = syscall(SYS_fsmount, fs, 0, 0);
	if (mount < 0)
		refused("fsmount");
	if (openat(mount, "file", O_CREAT | O_WRONLY, 0700) < 0)
		refused("openat");
	succeeded("wrote to a mount that no path leads to");
}
