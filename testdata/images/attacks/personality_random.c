/*
 * Switches the randomization of addresses off for what it executes next
 * (personality(2), ADDR_NO_RANDOMIZE).
 */
#include "attempt.h"
#include <sys/personality.h>

int main(void)
{
	if (personality(ADDR_NO_RANDOMIZE) < 0)
		refused("personality");
	errno = 0;
	if (!(personality(0xffffffff) & ADDR_NO_RANDOMIZE))
		refused("personality");
	succeeded("addresses are not random any more");
}
