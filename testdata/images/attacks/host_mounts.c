/*
 * Lists what is mounted on the host, by the number of its mount namespace
 * (listmount(2), which takes one since Linux 6.11).
 */
#include "attempt.h"

#ifndef SYS_listmount
#define SYS_listmount 458
#endif

int main(int argc, char **argv)
{
	struct {
		unsigned int size, none;
		unsigned long long mount, after, namespace;
	} ask = { sizeof ask, 0, -1ULL /* LSMT_ROOT */, 0, 0 };
	unsigned long long found[16];
	long n;

	if (argc < 2)
		cannot_tell("which namespace?");
	ask.namespace = strtoull(argv[1], NULL, 10);
	n = syscall(SYS_listmount, &ask, found, 16UL, 0);
	if (n < 0 && errno == ENOSYS)
		cannot_tell("this kernel has no listmount");
	if (n < 0)
		refused("listmount");
	errno = 0;
	if (n == 0)
		refused("listmount");
	succeeded("%ld mounts of the host", n);
}
