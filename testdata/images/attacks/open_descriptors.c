/*
 * Opens more than it may have open, after raising the limit (getrlimit(2),
 * RLIMIT_NOFILE).
 */
#include "attempt.h"
#include <sys/resource.h>

int main(void)
{
	const struct rlimit more = { 1 << 20, 1 << 20 };
	struct rlimit all;

	if (prlimit(0, RLIMIT_NOFILE, &more, &all) < 0) {
		all.rlim_cur = all.rlim_max;
		prlimit(0, RLIMIT_NOFILE, &all, NULL);
	}
	for (int n = 0; n < 500; n++)
		if (dup(0) < 0)
			refused("dup");
	succeeded("500 descriptors");
}
