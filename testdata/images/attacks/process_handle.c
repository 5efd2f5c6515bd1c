/*
 * Opens a process of the host by its handle, which takes no number that the
 * container has for it (pidfs has file handles since Linux 6.14;
 * open_by_handle_at(2)).
 */
#include "attempt.h"

int main(int argc, char **argv)
{
	struct {
		unsigned int bytes;
		int type;
		unsigned long long inode;
	} handle = { 8, 0xfe };	/* FILEID_KERNFS */
	int self = syscall(SYS_pidfd_open, getpid(), 0);

	if (argc < 2)
		cannot_tell("which process?");
	if (self < 0)
		refused("pidfd_open");
	handle.inode = strtoull(argv[1], NULL, 10);
	if (syscall(SYS_open_by_handle_at, self, &handle, O_RDONLY) >= 0)
		succeeded("opened a process of the host");
	refused("open_by_handle_at");
}
