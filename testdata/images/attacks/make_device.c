/*
 * Makes a device node of its own and reads it (mknod(2); CDK's
 * "rewrite-cgroup-devices", which goes on to the host's disk).
 */
#include "attempt.h"
#include <fcntl.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>

int main(int argc, char **argv)
{
	char path[4096], byte;
	int fd;

	for (int i = 1; i < argc; i++) {
		snprintf(path, sizeof path, "%s/zero", argv[i]);
		unlink(path);
		if (mknod(path, S_IFCHR | 0666, makedev(1, 5)))
			continue;
		fd = open(path, O_RDONLY);
		unlink(path);
		if (fd >= 0 && read(fd, &byte, 1) == 1)
			succeeded("%s is the device /dev/zero", path);
	}
	refused("mknod");
}
