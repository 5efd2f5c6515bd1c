/*
 * Makes a file larger than it may be, after raising the limit (getrlimit(2),
 * RLIMIT_FSIZE), by all that makes one larger.
 */
#include "attempt.h"
#include <signal.h>
#include <sys/resource.h>

int main(void)
{
	enum { SIZE = 2 << 20 };
	static char content[SIZE];
	const struct rlimit all = { RLIM_INFINITY, RLIM_INFINITY };
	int fd = open("file", O_CREAT | O_RDWR | O_TRUNC, 0600), memory = memfd_create("file", 8 /* MFD_NOEXEC_SEAL */), met;

	signal(SIGXFSZ, SIG_IGN);
	prlimit(0, RLIMIT_FSIZE, &all, NULL);
	if (fd < 0)
		refused("open");
	errno = 0;
	if (write(fd, content, SIZE) == SIZE)
		succeeded("written");
	met = errno;
	if (pwrite(fd, "x", 1, SIZE) == 1)
		succeeded("written at an offset");
	if (met == 0)
		met = errno;
	if (ftruncate(fd, SIZE) == 0)
		succeeded("made longer");
	if (fallocate(fd, 0, 0, SIZE) == 0)
		succeeded("set aside");
	if (memory >= 0 && ftruncate(memory, SIZE) == 0)
		succeeded("one without a name");
	errno = met;
	refused("write");
}
