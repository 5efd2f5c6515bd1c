/*
 * Mounts a file system over a folder (mount(2)).
 */
#include "attempt.h"
#include <sys/mount.h>

int main(void)
{
	close(creat("/tmp/below", 0600));
	if (mount("none", "/tmp", "tmpfs", 0, NULL) < 0)
		refused("mount");
	errno = 0;
	if (access("/tmp/below", F_OK) == 0)
		refused("mount");
	succeeded("mounted over /tmp");
}
