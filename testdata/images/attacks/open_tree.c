/*
 * Copies the root mount alone, without what is mounted over parts of it
 * (open_tree(2); how masked paths were uncovered in CVE-2025-31133's class).
 */
#include "attempt.h"
#include <linux/mount.h>

int main(void)
{
	int tree = syscall(SYS_open_tree, AT_FDCWD, "/", OPEN_TREE_CLONE);

	if (tree < 0)
		refused("open_tree");
	errno = 0;
	if (faccessat(tree, "proc/self", F_OK, 0) == 0)
		refused("open_tree");
	succeeded("a root that has nothing mounted on it");
}
