/*
 * Takes the mask off a file of /proc (mount_namespaces(7), on what is locked
 * and what is not; CDK's "mount-procfs").
 */
#include "attempt.h"
#include <fcntl.h>
#include <sys/mount.h>

int main(void)
{
	char text[64];
	int fd;

	if (umount2("/proc/interrupts", MNT_DETACH))
		refused("umount2");
	fd = open("/proc/interrupts", O_RDONLY);
	if (fd < 0 || read(fd, text, sizeof text) <= 0)
		refused("read");
	succeeded("the mask is gone");
}
