/*
 * Looks for a process of the host, and goes through its root and its working
 * folder (proc_pid_root(5), proc_pid_cwd(5)).
 */
#include "attempt.h"
#include <fcntl.h>
#include <sys/stat.h>

int main(void)
{
	char path[64];
	static const char *const links[] = { "root", "cwd" };

	for (int pid = 0; pid < 100000; pid++) {
		for (size_t i = 0; pid != getpid() && i < 2; i++) {
			struct stat there;

			snprintf(path, sizeof path, "/proc/%d/%s/.", pid, links[i]);
			if (stat(path, &there) == 0)
				succeeded("%s is device %lu, inode %lu", path, there.st_dev, there.st_ino);
		}
	}
	refused("stat");
}
