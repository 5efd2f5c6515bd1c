/*
 * Puts another root in the place of the container's (pivot_root(2)).
 */
#include "attempt.h"
#include <sys/mount.h>
#include <sys/stat.h>

int main(void)
{
	if (mount("none", "/tmp", "tmpfs", 0, NULL) < 0)
		refused("mount");
	if (mkdir("/tmp/old", 0700) < 0)
		refused("mkdir");
	if (syscall(SYS_pivot_root, "/tmp", "/tmp/old") < 0)
		refused("pivot_root");
	errno = 0;
	if (access("/old/bin", F_OK) < 0)
		refused("pivot_root");
	succeeded("a root of ours");
}
