/*
 * Mounts a /proc of its own, which has no masks (CDK's "mount-procfs";
 * mount_namespaces(7), on what is too revealing).
 */
#include "attempt.h"
#include <fcntl.h>
#include <sys/mount.h>

int main(void)
{
	char text[64];
	int fd;

	if (mount("proc", "/tmp", "proc", 0, NULL))
		refused("mount");
	fd = open("/tmp/interrupts", O_RDONLY);
	if (fd < 0 || read(fd, text, sizeof text) <= 0)
		refused("read");
	succeeded("a new /proc has no masks");
}
