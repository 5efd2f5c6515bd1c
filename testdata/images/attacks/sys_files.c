/*
 * Looks for anything in /sys: firmware, devices, thermal and power switches
 * (moby's masked /sys/firmware; CVE-2020-8694 by /sys/devices/virtual/powercap).
 */
#include "attempt.h"
#include <dirent.h>

int main(void)
{
	struct dirent *e;
	DIR *d = opendir("/sys");

	if (!d)
		refused("opendir");
	while ((e = readdir(d)))
		if (e->d_name[0] != '.')
			succeeded("/sys has %s", e->d_name);
	errno = ENOENT;
	refused("readdir");
}
