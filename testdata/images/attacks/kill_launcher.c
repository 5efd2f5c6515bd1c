/*
 * Looks for the lpm that runs it, to signal it: by its number, and as the
 * parent (kill(2)).
 */
#include "attempt.h"
#include <signal.h>

int main(int argc, char **argv)
{
	if (argc < 2)
		cannot_tell("which process?");
	if (getppid() > 0 && kill(getppid(), 0) == 0)
		succeeded("the parent is process %d", getppid());
	if (kill(atoi(argv[1]), 0) < 0)
		refused("kill");
	succeeded("process %s can be signalled", argv[1]);
}
