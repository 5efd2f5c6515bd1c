/*
 * Makes memory that not even the kernel can read (memfd_secret(2)).
 */
#include "attempt.h"

int main(void)
{
	int fd = syscall(SYS_memfd_secret, 0);
	char *page;

	if (fd < 0) {
		if (errno == ENOSYS)
			cannot_tell("this kernel has no secret memory");
		refused("memfd_secret");
	}
	if (ftruncate(fd, 4096) < 0)
		refused("ftruncate");
	page = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	if (page == MAP_FAILED)
		refused("mmap");
	page[0] = 1;
	succeeded("memory that the kernel cannot read");
}
