/*
 * Makes the kernel's settings writable by remounting them
 * (mount_setattr(2), proc_sys(5)). It changes none: a value is written back.
 */
#include "attempt.h"
#include <fcntl.h>
#include <linux/mount.h>
#include <unistd.h>

int main(void)
{
	struct mount_attr writable = { .attr_clr = MOUNT_ATTR_RDONLY };
	const char *setting = "/proc/sys/vm/swappiness";
	char value[32];
	ssize_t size;
	int fd;

	fd = open(setting, O_RDONLY | O_CLOEXEC);
	size = read(fd, value, sizeof value);
	if (size <= 0)
		refused("read");
	fd = open("/proc/sys", O_PATH | O_DIRECTORY | O_CLOEXEC);
	if (syscall(SYS_mount_setattr, fd, "", AT_EMPTY_PATH, &writable, sizeof writable))
		refused("mount_setattr");
	fd = open(setting, O_WRONLY | O_CLOEXEC);
	if (fd < 0)
		refused("open");
	if (write(fd, value, size) != size)
		refused("write");
	succeeded("%s can be set", setting);
}
