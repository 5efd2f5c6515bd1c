/*
 * Takes a process of the host over (ptrace(2); CDK check-ptrace).
 */
#include "attempt.h"
#include <sys/ptrace.h>

int main(int argc, char **argv)
{
	if (argc < 2)
		cannot_tell("which process?");
	if (ptrace(PTRACE_SEIZE, atoi(argv[1]), 0, 0) < 0)
		refused("ptrace");
	succeeded("have process %s", argv[1]);
}
