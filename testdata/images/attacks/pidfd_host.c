/*
 * Opens a process of the host by its number (pidfd_open(2)).
 */
#include "attempt.h"

int main(int argc, char **argv)
{
	if (argc < 2)
		cannot_tell("which process?");
	if (syscall(SYS_pidfd_open, atoi(argv[1]), 0) < 0)
		refused("pidfd_open");
	succeeded("have process %s", argv[1]);
}
