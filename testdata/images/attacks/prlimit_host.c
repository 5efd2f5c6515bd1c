/*
 * Changes the limits of a process of the host (prlimit(2)).
 */
#include "attempt.h"
#include <sys/resource.h>

int main(int argc, char **argv)
{
	const struct rlimit none = { 0, 0 };

	if (argc < 2)
		cannot_tell("which process?");
	if (prlimit(atoi(argv[1]), RLIMIT_CORE, &none, NULL) < 0)
		refused("prlimit");
	succeeded("process %s has new limits", argv[1]);
}
