/*
 * Binds a page to a part of the machine's memory (mbind(2); CVE-2018-10675
 * was in its neighbour).
 */
#include "attempt.h"

int main(void)
{
	const int preferred = 1;
	unsigned long node = 1;
	void *page = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	if (syscall(SYS_mbind, page, 4096UL, preferred, &node, sizeof node * 8, 0) < 0) {
		if (errno == ENOSYS)
			cannot_tell("this kernel has one kind of memory");
		refused("mbind");
	}
	succeeded("bound to node 0");
}
