/*
 * Looks for a file of /proc, outside of the processes' own folders, that can
 * be opened for writing: each is a switch of the kernel (proc(5); CDK's
 * "mount-procfs").
 */
#include "attempt.h"
#include <dirent.h>
#include <fcntl.h>
#include <sys/stat.h>

/* A mask is a device in the place of a file. */
static void try(const char *path)
{
	int fd = open(path, O_WRONLY);
	struct stat s;

	if (fd >= 0 && fstat(fd, &s) == 0 && S_ISREG(s.st_mode))
		succeeded("%s can be written", path);
	close(fd);
}

static void search(const char *folder, int depth)
{
	char path[512];
	struct dirent *e;
	DIR *d = opendir(folder);

	while (d && (e = readdir(d))) {
		if (e->d_name[0] == '.' || strspn(e->d_name, "0123456789") == strlen(e->d_name))
			continue;
		snprintf(path, sizeof path, "%s/%s", folder, e->d_name);
		if (e->d_type == DT_DIR && depth > 0)
			search(path, depth - 1);
		if (e->d_type == DT_REG)
			try(path);
	}
	if (d)
		closedir(d);
}

int main(void)
{
	search("/proc", 4);
	errno = EACCES;
	refused("open");
}
