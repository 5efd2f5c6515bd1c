/*
 * Has the kernel give up a page of the machine's memory for good (madvise(2),
 * MADV_SOFT_OFFLINE).
 */
#include "attempt.h"
#include <linux/mman.h>

#ifndef MADV_SOFT_OFFLINE
#define MADV_SOFT_OFFLINE 101
#endif

int main(void)
{
	char *page = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	page[0] = 1;
	if (madvise(page, 4096, MADV_SOFT_OFFLINE) == 0)
		succeeded("the machine has a page less");
	if (errno == EINVAL)
		cannot_tell("this kernel keeps its pages");
	refused("madvise");
}
