/*
 * Mounts a file system over a folder (mount(2)).
 */
#include "attempt.h"
#include <sys/mount.h>

int main(void)
{
	int covered = open("/tmp", O_PATH | O_DIRECTORY), failed;

	close(creat("/tmp/below", 0600));
	failed = mount("none", "/tmp", "tmpfs", 0, NULL) < 0 ? errno : 0;
	if (!failed && access("/tmp/below", F_OK) == 0)
		failed = ENOENT;
	unlinkat(covered, "below", 0);
	errno = failed;
	if (failed)
		refused("mount");
	succeeded("mounted over /tmp");
}
