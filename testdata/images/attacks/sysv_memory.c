/*
 * Attaches shared memory of the host that is open to everybody
 * (sysvipc(7); ipc_namespaces(7)).
 */
#include "attempt.h"
#include <sys/shm.h>

int main(int argc, char **argv)
{
	char *memory;

	if (argc < 2)
		cannot_tell("which memory?");
	memory = shmat(atoi(argv[1]), NULL, SHM_RDONLY);
	if (memory == (void *)-1)
		refused("shmat");
	succeeded("read %.32s", memory);
}
