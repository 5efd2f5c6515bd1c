/*
 * Leaves its root by the old way: holds a folder open, changes the root to
 * another below, and climbs from the folder (chroot(2), NOTES).
 */
#include "attempt.h"

int main(int argc, char **argv)
{
	int outside = open("/", O_RDONLY | O_DIRECTORY);

	if (argc < 2)
		cannot_tell("which folder of the host?");
	if (chroot("/tmp") < 0)
		refused("chroot");
	if (fchdir(outside) < 0)
		refused("fchdir");
	for (int i = 0; i < 64; i++)
		if (chdir("..") < 0)
			refused("chdir");
	if (chroot(".") < 0)
		refused("chroot");
	if (access(argv[1], F_OK) == 0)
		succeeded("found %s of the host", argv[1]);
	refused("access");
}
