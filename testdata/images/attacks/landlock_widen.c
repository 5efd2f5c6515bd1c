/*
 * Restricts itself once more, by rules that allow every program, and executes
 * one that is not granted (landlock(7): rules only ever add up).
 */
#include "attempt.h"
#include <linux/landlock.h>

int main(void)
{
	struct landlock_ruleset_attr attr = { .handled_access_fs = LANDLOCK_ACCESS_FS_EXECUTE };
	struct landlock_path_beneath_attr all = { .allowed_access = LANDLOCK_ACCESS_FS_EXECUTE };
	int rules = syscall(SYS_landlock_create_ruleset, &attr, sizeof attr, 0);

	if (rules < 0)
		refused("landlock_create_ruleset");
	all.parent_fd = open("/", O_PATH | O_DIRECTORY);
	if (syscall(SYS_landlock_add_rule, rules, LANDLOCK_RULE_PATH_BENEATH, &all, 0) < 0)
		refused("landlock_add_rule");
	if (syscall(SYS_landlock_restrict_self, rules, 0) < 0)
		refused("landlock_restrict_self");
	if (!executes("/bin/unshare_user"))
		refused("execve");
	succeeded("executed another program");
}
