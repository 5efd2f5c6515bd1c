/*
 * Executes a copy of itself from every place that it can write to
 * (landlock(7), mount(8) on noexec).
 */
#include "attempt.h"
#include <fcntl.h>
#include <sys/sendfile.h>
#include <sys/stat.h>
#include <sys/wait.h>

static void run(const char *folder)
{
	char path[4096];
	int status, in = open("/proc/self/exe", O_RDONLY), out;
	struct stat s;
	pid_t pid;

	snprintf(path, sizeof path, "%s/program", folder);
	out = open(path, O_WRONLY | O_CREAT | O_TRUNC, 0755);
	if (in < 0 || out < 0 || fstat(in, &s) || sendfile(out, in, NULL, s.st_size) != s.st_size)
		cannot_tell("%s cannot be written: %s", path, strerror(errno));
	close(in);
	close(out);
	pid = vfork();
	if (pid == 0) {
		execl(path, path, "itself", NULL);
		_exit(99);
	}
	if (waitpid(pid, &status, 0) == pid && WEXITSTATUS(status) == 42)
		succeeded("%s was executed", path);
}

int main(int argc, char **argv)
{
	if (argc == 2 && !strcmp(argv[1], "itself"))
		return 42;
	for (int i = 1; i < argc; i++)
		run(argv[i]);
	refused("execve");
}
