/*
 * Where it may change mounts, takes noexec off the folder that it can write
 * to, and executes what it has written there: Landlock must still refuse it.
 */
#include "attempt.h"
#include <linux/mount.h>
#include <sys/sendfile.h>
#include <sys/stat.h>

int main(int argc, char **argv)
{
	struct mount_attr attr = { .attr_clr = MOUNT_ATTR_NOEXEC };
	int from, to;
	struct stat st;

	if (strcmp(argv[0], "copy") == 0)
		succeeded("executed what was written");
	if (syscall(SYS_mount_setattr, AT_FDCWD, "/tmp", 0, &attr, sizeof attr) < 0)
		refused("mount_setattr");
	from = open("/proc/self/exe", O_RDONLY);
	to = open("/tmp/copy", O_CREAT | O_WRONLY, 0700);
	if (from < 0 || to < 0 || fstat(from, &st) < 0 || sendfile(to, from, NULL, st.st_size) != st.st_size)
		refused("sendfile");
	close(to);
	execl("/tmp/copy", "copy", NULL);
	refused("execve");
}
