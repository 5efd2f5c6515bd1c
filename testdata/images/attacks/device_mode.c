/*
 * Changes the mode of a device that it shares with the host. The launcher's
 * root is the node's owner. It sets the mode that is there already
 * (mount_namespaces(7): a bind mount shares the inode).
 */
#include "attempt.h"
#include <sys/stat.h>

int main(void)
{
	static const char *const paths[] = {
		"/dev/full", "/dev/null", "/dev/random", "/dev/tty", "/dev/urandom", "/dev/zero",
	};
	struct stat before, after;

	for (size_t i = 0; i < sizeof paths / sizeof *paths; i++) {
		if (stat(paths[i], &before))
			refused("stat");
		if (chmod(paths[i], before.st_mode & 07777) || stat(paths[i], &after))
			continue;
		if (before.st_ctim.tv_nsec != after.st_ctim.tv_nsec)
			succeeded("the host's %s is changed", paths[i]);
	}
	refused("chmod");
}
