/*
 * Leaves a root by chroot with a folder held open, and climbs (chroot(2),
 * on escaping).
 */
#include "attempt.h"
#include <fcntl.h>
#include <sys/stat.h>

int main(int argc, char **argv)
{
	struct stat s;
	int fd = open("/", O_RDONLY | O_DIRECTORY);

	if (argc != 2)
		cannot_tell("no folder given");
	mkdir("/tmp/root", 0755);
	if (chroot("/tmp/root") == 0 && fchdir(fd))
		refused("fchdir");
	for (int up = 0; up < 64; up++)
		if (chdir(".."))
			refused("chdir");
	if (chroot(".") && errno != EPERM)
		refused("chroot");
	if (stat(argv[1], &s))
		refused("stat");
	succeeded("%s of the host is there", argv[1]);
}
