/*
 * Fills folders that it may write to beyond their size, by all that takes room
 * there: content, room set aside, files without a name (tmpfs(5); "ephemeral
 * storage" of Kubernetes' pods is bounded for the same reason).
 */
#include "attempt.h"

enum { CHUNK = 1 << 20 };

static int chunk(const char *folder, int how, int n)
{
	static char content[CHUNK];
	char name[256];
	int fd;

	if (how == 2) {
		fd = open(folder, O_TMPFILE | O_RDWR, 0600);
	} else {
		snprintf(name, sizeof name, "%s/fill-%d-%d", folder, how, n);
		fd = open(name, O_CREAT | O_RDWR, 0600);
	}
	if (fd < 0)
		return -1;
	if (how == 1 ? fallocate(fd, 0, 0, CHUNK) < 0 : write(fd, content, CHUNK) != CHUNK)
		return -1;
	/* One without a name is there as long as it is open. */
	return how == 2 ? 0 : close(fd);
}

int main(int argc, char **argv)
{
	int met = 0;

	if (argc < 3)
		cannot_tell("which folders, and of what size?");
	for (int i = 1; i + 1 < argc; i += 2) {
		long size = atol(argv[i + 1]), taken = 0;

		/* All three ways take of the same room. */
		for (int how = 0; how < 3; how++)
			for (int n = 0; n < 96 && chunk(argv[i], how, n) == 0; n++)
				taken += CHUNK;
		met = errno;
		if (taken > size)
			succeeded("%s holds %ld bytes", argv[i], taken);
	}
	errno = met;
	refused("write");
}
