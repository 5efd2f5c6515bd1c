/*
 * Opens a namespace of the host by its handle, which takes no path to it
 * (nsfs has file handles since Linux 6.18; open_by_handle_at(2)).
 */
#include "attempt.h"

int main(int argc, char **argv)
{
	/* FD_NSFS_ROOT, FILEID_NSFS and struct nsfs_file_handle. */
	enum { root = -10003, type = 0xf1 };
	struct {
		unsigned int bytes;
		int type;
		unsigned long long id;
		unsigned int kind, inode;
	} handle = { 16, type };

	if (argc < 4)
		cannot_tell("which namespace?");
	handle.id = strtoull(argv[1], NULL, 10);
	handle.kind = strtoul(argv[2], NULL, 10);
	handle.inode = strtoul(argv[3], NULL, 10);
	if (syscall(SYS_open_by_handle_at, root, &handle, O_RDONLY) >= 0)
		succeeded("opened a namespace of the host");
	refused("open_by_handle_at");
}
