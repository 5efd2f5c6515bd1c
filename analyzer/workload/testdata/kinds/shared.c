/* Shared memory, more than a container has without a manifest. */
#define _GNU_SOURCE
#include <fcntl.h>
#include <stdio.h>
#include <sys/mman.h>
#include <unistd.h>

int main(void)
{
	int fd = shm_open("/block", O_RDWR | O_CREAT | O_EXCL, 0600);
	if (fd < 0)
		return 1;
	if (posix_fallocate(fd, 0, 100 << 20) != 0) {
		puts("no room");
		return 2;
	}
	sleep(3); /* for as long as it takes to be noticed */
	if (shm_unlink("/block") != 0)
		return 3;
	puts("passed");
	return 0;
}
