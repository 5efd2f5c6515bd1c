/*
 * Opens a message queue of the host that is open to everybody
 * (mq_overview(7); ipc_namespaces(7)).
 */
#include "attempt.h"

int main(int argc, char **argv)
{
	if (argc < 2)
		cannot_tell("which queue?");
	if (syscall(SYS_mq_open, argv[1], O_RDONLY, 0, NULL) < 0)
		refused("mq_open");
	succeeded("opened the queue %s", argv[1]);
}
