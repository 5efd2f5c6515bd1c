/*
 * Has the kernel make all that can be read executable (personality(2),
 * READ_IMPLIES_EXEC).
 */
#include "attempt.h"
#include <sys/personality.h>

int main(void)
{
	char line[256], *page;
	FILE *maps;
	unsigned long start, end;
	char rights[5];

	if (personality(READ_IMPLIES_EXEC) < 0)
		refused("personality");
	page = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	maps = fopen("/proc/self/maps", "r");
	while (maps && fgets(line, sizeof line, maps))
		if (sscanf(line, "%lx-%lx %4s", &start, &end, rights) == 3 &&
		    (unsigned long)page >= start && (unsigned long)page < end && rights[2] == 'x')
			succeeded("a page of data is executable");
	errno = 0;
	refused("personality");
}
