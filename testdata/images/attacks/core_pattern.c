/*
 * Names the program that the host's kernel starts as root when a process
 * crashes (core(5); CDK's "mount-procfs"). It writes what is there already.
 */
#include "attempt.h"
#include <fcntl.h>
#include <sys/mount.h>

int main(void)
{
	const char *path = "/proc/sys/kernel/core_pattern";
	char text[256];
	ssize_t n;
	int fd = open(path, O_RDONLY);

	n = fd < 0 ? -1 : read(fd, text, sizeof text);
	if (n <= 0)
		refused("read");
	umount2("/proc/sys", MNT_DETACH);
	fd = open(path, O_WRONLY);
	if (fd < 0)
		refused("open");
	if (write(fd, text, n) != n)
		refused("write");
	succeeded("the host's core_pattern was written");
}
