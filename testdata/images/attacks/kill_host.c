/*
 * Kills a process of the host by its number (kill(2)).
 */
#include "attempt.h"
#include <signal.h>

int main(int argc, char **argv)
{
	if (argc < 2)
		cannot_tell("which process?");
	if (kill(atoi(argv[1]), SIGKILL) < 0)
		refused("kill");
	succeeded("killed process %s", argv[1]);
}
