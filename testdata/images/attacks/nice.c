/*
 * Runs before others (setpriority(2)).
 */
#include "attempt.h"
#include <sys/resource.h>

int main(void)
{
	if (setpriority(PRIO_PROCESS, 0, -20) < 0)
		refused("setpriority");
	errno = 0;
	if (getpriority(PRIO_PROCESS, 0) != -20)
		refused("setpriority");
	succeeded("nice -20");
}
