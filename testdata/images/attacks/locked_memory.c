/*
 * Locks more memory than its user may, which cannot be swapped out then
 * (mlock(2), RLIMIT_MEMLOCK; shmctl(2), SHM_LOCK).
 */
#include "attempt.h"
#include <sys/resource.h>
#include <sys/shm.h>

int main(void)
{
	const struct rlimit all = { RLIM_INFINITY, RLIM_INFINITY };
	struct rlimit may;
	size_t size;
	char *p;
	int id, met;

	prlimit(0, RLIMIT_MEMLOCK, &all, NULL);
	if (prlimit(0, RLIMIT_MEMLOCK, NULL, &may) < 0 || may.rlim_cur > 256 << 20)
		cannot_tell("there is no limit to it");
	size = may.rlim_max + (1 << 20);
	p = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (p == MAP_FAILED)
		refused("mmap");
	if (mlock(p, size) == 0)
		succeeded("mlock of %zu bytes", size);
	met = errno;
	if (mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_LOCKED, -1, 0) != MAP_FAILED)
		succeeded("MAP_LOCKED of %zu bytes", size);
	if (mmap(NULL, 2 << 20, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_HUGETLB, -1, 0) != MAP_FAILED)
		succeeded("a huge page");
	id = shmget(IPC_PRIVATE, size, IPC_CREAT | 0600);
	if (id >= 0 && shmctl(id, SHM_LOCK, NULL) == 0)
		succeeded("a segment of %zu bytes", size);
	if (id >= 0)
		shmctl(id, IPC_RMID, NULL);
	errno = met;
	refused("mlock");
}
