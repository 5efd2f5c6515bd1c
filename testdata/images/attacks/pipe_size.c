/*
 * Gives a pipe a larger buffer than everybody may have (pipe(7),
 * /proc/sys/fs/pipe-max-size).
 */
#include "attempt.h"

int main(void)
{
	int ends[2], most = 1 << 20;
	FILE *f = fopen("/proc/sys/fs/pipe-max-size", "r");

	if (f && fscanf(f, "%d", &most) != 1)
		most = 1 << 20;
	if (pipe(ends) < 0)
		refused("pipe");
	if (fcntl(ends[0], F_SETPIPE_SZ, 2 * most) < 0)
		refused("F_SETPIPE_SZ");
	succeeded("a pipe of %d bytes", 2 * most);
}
