/*
 * Climbs out of a folder of the host: by "..", by descriptors and by the magic
 * links of /proc (path_resolution(7), proc_pid_fd(5)).
 */
#include "attempt.h"
#include <fcntl.h>
#include <linux/openat2.h>

static void look(int folder)
{
	if (folder >= 0 && faccessat(folder, "secret", F_OK, 0) == 0)
		succeeded("the folder above is there");
}

int main(int argc, char **argv)
{
	struct open_how how = { .flags = O_PATH };
	char path[4096];
	int fd;

	if (argc != 2 || chdir(argv[1]))
		refused("chdir");
	fd = open(".", O_PATH);
	look(open("..", O_PATH));
	look(openat(fd, "..", O_PATH));
	look(syscall(SYS_openat2, fd, "..", &how, sizeof how));
	snprintf(path, sizeof path, "/proc/self/fd/%d/..", fd);
	look(open(path, O_PATH));
	look(open("/proc/self/cwd/..", O_PATH));
	look(open("inside/../..", O_PATH));
	if (chdir("..") == 0)
		look(open(".", O_PATH));
	errno = ENOENT;
	refused("open");
}
