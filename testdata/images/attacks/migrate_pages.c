/*
 * Has all of its memory moved to where it is (migrate_pages(2)).
 */
#include "attempt.h"

int main(void)
{
	unsigned long node = 1;

	if (syscall(SYS_migrate_pages, 0, sizeof node * 8, &node, &node) < 0) {
		if (errno == ENOSYS)
			cannot_tell("this kernel has one kind of memory");
		refused("migrate_pages");
	}
	succeeded("moved");
}
