/*
 * Takes away what makes /proc/sys read-only (umount(2); the opposite of what
 * runc failed to do in CVE-2025-52881).
 */
#include "attempt.h"
#include <sys/mount.h>
#include <sys/statvfs.h>

int main(void)
{
	struct statvfs fs;

	if (umount2("/proc/sys", MNT_DETACH) < 0)
		refused("umount2");
	errno = 0;
	if (statvfs("/proc/sys", &fs) < 0 || fs.f_flag & ST_RDONLY)
		refused("umount2");
	succeeded("/proc/sys is not read-only");
}
