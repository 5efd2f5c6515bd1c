/*
 * Changes a folder of the host that it may only read: content, names, modes,
 * times, flags and attributes (mount(2), MS_RDONLY; ioctl_iflags(2)).
 */
#include "attempt.h"
#include <fcntl.h>
#include <linux/fs.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/xattr.h>

int main(int argc, char **argv)
{
	int fd, flags = FS_NODUMP_FL;
	void *page;

	if (argc != 2 || chdir(argv[1]))
		refused("chdir");
	fd = open("file", O_RDONLY);
	if (fd < 0)
		refused("open");
	page = mmap(NULL, 4096, PROT_READ, MAP_SHARED, fd, 0);
	if (page != MAP_FAILED && mprotect(page, 4096, PROT_READ | PROT_WRITE) == 0)
		succeeded("a page of the file can be written");
	if (open("file", O_WRONLY) >= 0 || open("file", O_RDONLY | O_TRUNC) >= 0 || truncate("file", 0) == 0)
		succeeded("the file can be written");
	if (ioctl(fd, FS_IOC_SETFLAGS, &flags) == 0)
		succeeded("a flag was set");
	if (chmod("file", 0777) == 0 || chown("file", getuid(), getgid()) == 0)
		succeeded("the mode was set");
	if (utimensat(AT_FDCWD, "file", NULL, 0) == 0 || setxattr("file", "user.mark", "x", 1, 0) == 0)
		succeeded("an attribute was set");
	if (link("file", "link") == 0 || symlink("file", "symlink") == 0 || mkdir("folder", 0755) == 0 ||
	    mkfifo("fifo", 0644) == 0)
		succeeded("a name was made");
	if (rename("file", "renamed") == 0 || unlink("file") == 0)
		succeeded("a name was taken away");
	refused("open");
}
