/*
 * Attaches a mount over a folder, the newer way (move_mount(2)).
 */
#include "attempt.h"
#include <linux/mount.h>

int main(void)
{
	int fs = syscall(SYS_fsopen, "tmpfs", 0), mount;

	close(creat("/tmp/below", 0600));
	if (fs < 0)
		refused("fsopen");
	if (syscall(SYS_fsconfig, fs, FSCONFIG_CMD_CREATE, NULL, NULL, 0) < 0)
		refused("fsconfig");
	mount = syscall(SYS_fsmount, fs, 0, 0);
	if (mount < 0)
		refused("fsmount");
	if (syscall(SYS_move_mount, mount, "", AT_FDCWD, "/tmp", MOVE_MOUNT_F_EMPTY_PATH) < 0)
		refused("move_mount");
	errno = 0;
	if (access("/tmp/below", F_OK) == 0)
		refused("move_mount");
	succeeded("mounted over /tmp");
}
