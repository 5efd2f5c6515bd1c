/*
 * Opens its standard streams anew through /proc, to read what others have
 * written to its output, and to write what others will read from its input
 * (proc_pid_fd(5); pipe(7)).
 */
#include "attempt.h"
#include <fcntl.h>
#include <sys/stat.h>

int main(void)
{
	char path[32], text[256];
	struct stat s;
	ssize_t n;

	for (int i = 1; i <= 2; i++) {
		snprintf(path, sizeof path, "/proc/self/fd/%d", i);
		n = read(open(path, O_RDONLY | O_NONBLOCK), text, sizeof text);
		if (n > 0)
			succeeded("descriptor %d had %.*s", i, (int)n, text);
	}
	if (write(open("/proc/self/fd/0", O_WRONLY | O_NONBLOCK), "of ours\n", 8) != 8 && errno == 0)
		refused("write");
	if (fstat(0, &s))
		refused("fstat");
	if (S_ISCHR(s.st_mode) && fchmod(0, s.st_mode & 07777) == 0)
		succeeded("the mode of the device behind our input was set");
	errno = EACCES;
	refused("open");
}
