/*
 * Makes a read-only folder of the host writable by remounting it
 * (mount_setattr(2), mount_namespaces(7)).
 */
#include "attempt.h"
#include <fcntl.h>
#include <linux/mount.h>

int main(int argc, char **argv)
{
	struct mount_attr writable = { .attr_clr = MOUNT_ATTR_RDONLY };
	int fd;

	if (argc != 2)
		cannot_tell("no folder given");
	fd = open(argv[1], O_PATH | O_DIRECTORY);
	if (syscall(SYS_mount_setattr, fd, "", AT_EMPTY_PATH, &writable, sizeof writable))
		refused("mount_setattr");
	if (chdir(argv[1]) || open("new", O_WRONLY | O_CREAT, 0644) < 0)
		refused("open");
	succeeded("%s was made writable", argv[1]);
}
