/*
 * Makes a mount namespace to mount in it (mount_namespaces(7)).
 */
#include "attempt.h"
#include <sched.h>
#include <sys/mount.h>

int main(void)
{
	close(creat("/tmp/below", 0600));
	if (unshare(CLONE_NEWUSER | CLONE_NEWNS) < 0)
		refused("unshare");
	if (mount("none", "/tmp", "tmpfs", 0, NULL) < 0)
		refused("mount");
	errno = 0;
	if (access("/tmp/below", F_OK) == 0)
		refused("mount");
	succeeded("mounted over /tmp");
}
