/*
 * Asks on which part of the machine's memory a page is (move_pages(2);
 * CVE-2010-0415).
 */
#include "attempt.h"

int main(void)
{
	static char page[4096];
	void *pages[] = { page };
	int status = -1;

	page[0] = 1;
	if (syscall(SYS_move_pages, 0, 1UL, pages, NULL, &status, 0) < 0) {
		if (errno == ENOSYS)
			cannot_tell("this kernel has one kind of memory");
		refused("move_pages");
	}
	errno = 0;
	if (status < 0)
		refused("move_pages");
	succeeded("the page is on node %d", status);
}
