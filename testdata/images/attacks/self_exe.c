/*
 * Looks for the launcher's own program behind the exe link of a process, to
 * overwrite it (CVE-2019-5736, CDK's "runc-pwn").
 */
#include "attempt.h"
#include <fcntl.h>
#include <sys/stat.h>

int main(void)
{
	struct stat self, other;
	char path[64];

	if (stat("/proc/self/exe", &self))
		refused("stat");
	for (int pid = 0; pid < 100000; pid++) {
		snprintf(path, sizeof path, "/proc/%d/exe", pid);
		if (stat(path, &other) == 0 && (other.st_dev != self.st_dev || other.st_ino != self.st_ino) &&
		    open(path, O_RDONLY) >= 0)
			succeeded("%s is another program", path);
	}
	errno = 0;
	if (open("/proc/self/exe", O_WRONLY) >= 0)
		succeeded("our own program can be written");
	refused("open");
}
