/*
 * Writes a set-user-id program into a folder of the host, for another user of
 * the host to become the caller by (systemd.exec(5), RestrictSUIDSGID=).
 */
#include "attempt.h"
#include <fcntl.h>
#include <sys/stat.h>

#ifndef SYS_fchmodat2
#define SYS_fchmodat2 452
#endif

#define OPEN(path, flags) open(path, (flags) | O_CREAT | O_EXCL, 06755)

int main(int argc, char **argv)
{
	static const char *const names[] = { "open", "chmod", "fchmod", "fchmodat2", "mknod", "temporary" };
	char made[4096];
	struct stat s;
	int fd;

	if (argc != 2 || chdir(argv[1]))
		refused("chdir");
	umask(0);
	close(OPEN("open", O_WRONLY));
	close(open("chmod", O_WRONLY | O_CREAT, 0755));
	chmod("chmod", 06755);
	fd = open("fchmod", O_WRONLY | O_CREAT, 0755);
	fchmod(fd, 06755);
	close(open("fchmodat2", O_WRONLY | O_CREAT, 0755));
	syscall(SYS_fchmodat2, AT_FDCWD, "fchmodat2", 06755, AT_SYMLINK_NOFOLLOW);
	mknod("mknod", S_IFREG | 06755, 0);
	fd = open(".", O_TMPFILE | O_WRONLY, 06755);
	snprintf(made, sizeof made, "/proc/self/fd/%d", fd);
	linkat(AT_FDCWD, made, AT_FDCWD, "temporary", AT_SYMLINK_FOLLOW);
	for (size_t i = 0; i < sizeof names / sizeof *names; i++)
		if (stat(names[i], &s) == 0 && s.st_mode & 06000)
			succeeded("%s/%s has mode %o", argv[1], names[i], s.st_mode);
	refused("chmod");
}
