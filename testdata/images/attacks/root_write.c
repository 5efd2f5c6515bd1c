/*
 * Changes the image beside its own program: a flag, a time, a new name, a new
 * file, one without a name that gets one (open(2) on O_TMPFILE, ioctl_iflags(2)).
 */
#include "attempt.h"
#include <fcntl.h>
#include <linux/fs.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <sys/xattr.h>

int main(void)
{
	char path[4096], made[64], *slash;
	ssize_t n = readlink("/proc/self/exe", path, sizeof path - 1);
	int fd, flags = FS_NODUMP_FL;

	if (n < 0)
		refused("readlink");
	path[n] = 0;
	fd = open(path, O_RDONLY);
	if (ioctl(fd, FS_IOC_SETFLAGS, &flags) == 0)
		succeeded("a flag of %s is set", path);
	if (utimensat(AT_FDCWD, path, NULL, 0) == 0 || setxattr(path, "user.mark", "x", 1, 0) == 0)
		succeeded("an attribute of %s is set", path);
	slash = strrchr(path, '/');
	*slash = 0;
	if (chdir(path))
		refused("chdir");
	fd = open(".", O_TMPFILE | O_WRONLY, 0644);
	snprintf(made, sizeof made, "/proc/self/fd/%d", fd);
	if (fd >= 0 && linkat(AT_FDCWD, made, AT_FDCWD, "made", AT_SYMLINK_FOLLOW) == 0 && unlink("made") == 0)
		succeeded("a file was made in %s", path);
	if (rename(slash + 1, "renamed") == 0)
		succeeded("%s was renamed", slash + 1);
	if (open("new", O_WRONLY | O_CREAT, 0644) >= 0)
		succeeded("a file was made in %s", path);
	refused("open");
}
