/* A chain of programs: by vfork and exec, by posix_spawn, and by exec alone. */
#define _GNU_SOURCE
#include <spawn.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

static int await(pid_t pid)
{
	int status;
	return pid < 0 || waitpid(pid, &status, 0) != pid || status != 0;
}

int main(int argc, char **argv)
{
	char *env[] = {NULL};
	if (argc == 1) {
		char *args[] = {"/bin/second", "spawned", NULL};
		pid_t pid = vfork();
		if (pid == 0) {
			execve(args[0], args, env);
			_exit(127);
		}
		return await(pid);
	}
	if (strcmp(argv[1], "spawned") == 0) {
		char *args[] = {"/bin/third", "last", NULL};
		pid_t pid;
		return posix_spawn(&pid, args[0], NULL, NULL, args, env) != 0 || await(pid);
	}
	if (strcmp(argv[1], "last") == 0) {
		char *args[] = {"/bin/fourth", "end", NULL};
		execve(args[0], args, env);
		return 126;
	}
	puts("passed");
	return 0;
}
