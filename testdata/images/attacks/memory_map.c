/*
 * Changes what the kernel takes for the parts of its memory (prctl(2),
 * PR_SET_MM): where its heap begins.
 */
#include "attempt.h"

int main(void)
{
	if (prctl(PR_SET_MM, PR_SET_MM_START_BRK, sbrk(0), 0, 0) < 0)
		refused("prctl");
	succeeded("moved the heap");
}
