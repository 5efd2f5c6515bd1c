/*
 * Executes with a path and arguments that are as long as can be, for the
 * supervisor to read (execve(2), Limits; CVE-2021-4034 and others lived on odd
 * arguments).
 */
#include "attempt.h"
#include "race.h"

static char *path = OTHER, *long_path;
static char **many;

static void by_many(char **argv, char **envp)
{
	(void)argv, (void)envp;
	execve(path, many, many);
}

static void by_none(char **argv, char **envp)
{
	(void)argv, (void)envp;
	syscall(SYS_execve, path, NULL, NULL);
}

static void by_long_path(char **argv, char **envp) { execve(long_path, argv, envp); }

int main(void)
{
	enum { COUNT = 20000, LENGTH = 16 << 20 };
	static char argument[64];

	memset(argument, 'x', sizeof argument - 1);
	many = calloc(COUNT + 1, sizeof *many);
	for (int i = 0; i < COUNT; i++)
		many[i] = argument;
	long_path = malloc(LENGTH + sizeof OTHER);
	if (!many || !long_path)
		cannot_tell("no memory");
	/* A path of the same program that is longer than paths can be. */
	for (int lengths = 0; lengths < 2; lengths++) {
		size_t length = lengths ? LENGTH : 4090;

		memset(long_path, '/', length);
		strcpy(long_path + length - sizeof OTHER, OTHER);
		if (executed_other(by_long_path))
			succeeded(OTHER " by a path of %zu bytes", length);
	}
	if (executed_other(by_none))
		succeeded(OTHER " without arguments");
	if (executed_other(by_many))
		succeeded(OTHER " with %d arguments", COUNT);
	refused("execve");
}
