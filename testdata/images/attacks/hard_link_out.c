/*
 * Gives a file that it may only read a second name where it may write, to
 * change it there (link(2), on EXDEV; fs.protected_hardlinks).
 */
#include "attempt.h"
#include <fcntl.h>

int main(int argc, char **argv)
{
	char to[4096], from[4096];
	int fd;

	if (argc != 3)
		cannot_tell("no folders given");
	snprintf(from, sizeof from, "%s/file", argv[1]);
	snprintf(to, sizeof to, "%s/link", argv[2]);
	if (link(from, to)) {
		fd = open(from, O_PATH);
		snprintf(from, sizeof from, "/proc/self/fd/%d", fd);
		if (linkat(AT_FDCWD, from, AT_FDCWD, to, AT_SYMLINK_FOLLOW))
			refused("link");
	}
	if (open(to, O_WRONLY) < 0)
		refused("open");
	succeeded("%s can be written", to);
}
