/*
 * Has another process, which shares the memory, change the path between the
 * look at it and the execution (seccomp_unotify(2), "a time-of-check race").
 */
#include "attempt.h"
#include "race.h"

static char *path;

static void execute(char **argv, char **envp) { execve(path, argv, envp); }

int main(int argc, char **argv)
{
	static const char granted[32] = "/bin/race_execve", other[32] = OTHER;
	struct swap race = { .granted = granted, .other = other, .size = sizeof other };

	end_if_granted(argc, argv);
	path = race.place = shared(4096);
	/* The first try may be at the other, as it is. */
	memcpy(path, other, sizeof other);
	begin(swaps, &race);
	for (int i = 0; i < 500; i++)
		if (executed_other(execute))
			succeeded(OTHER " has been executed, by the %d. try", i + 1);
	refused("execve");
}
