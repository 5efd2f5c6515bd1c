/*
 * Opens a file by its handle, past every folder's permissions
 * (open_by_handle_at(2)).
 */
#include "attempt.h"
#include <sys/stat.h>

int main(void)
{
	struct {
		struct file_handle head;
		char rest[MAX_HANDLE_SZ];
	} h = { { .handle_bytes = MAX_HANDLE_SZ } };
	struct stat want, got;
	int mount, fd, at = open("/tmp", O_RDONLY | O_DIRECTORY);

	if (name_to_handle_at(AT_FDCWD, "/tmp", &h.head, &mount, 0) < 0)
		refused("name_to_handle_at");
	fd = open_by_handle_at(at, &h.head, O_RDONLY | O_DIRECTORY);
	if (fd < 0)
		refused("open_by_handle_at");
	errno = 0;
	if (stat("/tmp", &want) < 0 || fstat(fd, &got) < 0 || want.st_ino != got.st_ino)
		refused("open_by_handle_at");
	succeeded("opened inode %lu", (unsigned long)got.st_ino);
}
