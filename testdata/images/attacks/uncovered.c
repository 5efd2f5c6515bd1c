/*
 * Brings a program back that its manifest does not grant and that is hidden
 * therefore: by making, removing and exchanging its name in a writable folder
 * laid over the image's (overlayfs.rst, whiteouts).
 */
#include "attempt.h"
#include <fcntl.h>
#include <sys/stat.h>

static void look(const char *name)
{
	char head[4];
	int fd = open(name, O_RDONLY);

	if (fd >= 0 && read(fd, head, 4) == 4 && !memcmp(head, "\177ELF", 4))
		succeeded("%s is there", name);
	close(fd);
}

int main(void)
{
	const char *name = "hidden";

	if (chdir("/srv"))
		refused("chdir");
	look(name);
	close(open(name, O_WRONLY | O_CREAT, 0644));
	unlink(name);
	look(name);
	mkdir(name, 0755);
	rmdir(name);
	look(name);
	mkdir("folder", 0755);
	renameat2(AT_FDCWD, name, AT_FDCWD, "folder", RENAME_EXCHANGE);
	renameat2(AT_FDCWD, name, AT_FDCWD, "moved", RENAME_WHITEOUT);
	look("moved");
	look(name);
	errno = ENOENT;
	refused("open");
}
