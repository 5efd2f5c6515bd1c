/*
 * Looks for descriptors that the launcher has left open (CVE-2024-21626, CVE-2016-9962).
 */
#include "attempt.h"
#include <fcntl.h>
#include <sys/stat.h>

int main(void)
{
	struct stat s;

	for (int fd = 3; fd < 4096; fd++)
		if (fstat(fd, &s) == 0)
			succeeded("descriptor %d is open, of mode %o", fd, s.st_mode);
	refused("fstat");
}
