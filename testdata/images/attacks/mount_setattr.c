/*
 * Takes noexec off the folder that it can write to (mount_setattr(2)).
 */
#include "attempt.h"
#include <linux/mount.h>
#include <sys/statvfs.h>

int main(void)
{
	struct mount_attr attr = { .attr_clr = MOUNT_ATTR_NOEXEC };
	struct statvfs fs;

	if (syscall(SYS_mount_setattr, AT_FDCWD, "/tmp", 0, &attr, sizeof attr) < 0)
		refused("mount_setattr");
	errno = 0;
	if (statvfs("/tmp", &fs) < 0 || fs.f_flag & ST_NOEXEC)
		refused("mount_setattr");
	succeeded("/tmp is not noexec");
}
