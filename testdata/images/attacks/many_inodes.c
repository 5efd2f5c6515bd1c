/*
 * Fills the kernel's memory with files that have no content, of every kind
 * (tmpfs(5), nr_inodes).
 */
#include "attempt.h"
#include <sys/stat.h>

int main(void)
{
	enum { ENOUGH = 60000 };

	if (symlink("/nowhere", "link-0") || close(open("file", O_CREAT | O_WRONLY, 0600)))
		refused("open");
	for (int n = 1; n <= ENOUGH; n++) {
		char name[64];
		int failed = 0;

		snprintf(name, sizeof name, "%d", n);
		switch (n % 4) {
		case 0: failed = close(open(name, O_CREAT | O_WRONLY, 0600)); break;
		case 1: failed = mkdir(name, 0700); break;
		case 2: failed = symlink("/nowhere", name); break;
		case 3: failed = link("file", name); break;
		}
		if (failed)
			refused("open");
	}
	succeeded("%d files and folders", ENOUGH);
}
