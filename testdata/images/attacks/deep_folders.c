/*
 * Makes folders in folders, deeper than any path could be written
 * (path_resolution(7); CVE-2021-33909 was in what shows such a path).
 */
#include "attempt.h"
#include <sys/stat.h>

int main(int argc, char **argv)
{
	enum { ENOUGH = 2000 };

	if (argc < 2 || chdir(argv[1]))
		cannot_tell("in which folder?");
	for (int n = 0; n < ENOUGH; n++)
		if (mkdir("d", 0700) || chdir("d"))
			refused("mkdir");
	succeeded("%d folders deep", ENOUGH);
}
