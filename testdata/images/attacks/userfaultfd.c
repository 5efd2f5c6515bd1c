/*
 * Handles its own page faults, which holds the kernel up in the middle of its
 * work and so widens races (userfaultfd(2); exploits of CVE-2016-6187).
 */
#include "attempt.h"
#include <sys/ioctl.h>
#include <linux/userfaultfd.h>

#ifndef UFFD_USER_MODE_ONLY
#define UFFD_USER_MODE_ONLY 1
#endif

int main(void)
{
	struct uffdio_api api = { .api = UFFD_API };
	struct uffdio_register reg = { .mode = UFFDIO_REGISTER_MODE_MISSING };
	/* Without the flag it takes a capability or a sysctl. */
	int fd = syscall(SYS_userfaultfd, UFFD_USER_MODE_ONLY);

	if (fd < 0)
		refused("userfaultfd");
	if (ioctl(fd, UFFDIO_API, &api) < 0)
		refused("UFFDIO_API");
	reg.range.start = (unsigned long)mmap(NULL, 4096, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	reg.range.len = 4096;
	if (ioctl(fd, UFFDIO_REGISTER, &reg) < 0)
		refused("UFFDIO_REGISTER");
	succeeded("faults of a page wait for us");
}
