/*
 * Sets the machine's clock, to the time that it has (settimeofday(2)).
 */
#include "attempt.h"
#include <sys/time.h>

int main(void)
{
	struct timeval now;

	gettimeofday(&now, NULL);
	if (syscall(SYS_settimeofday, &now, NULL) < 0)
		refused("settimeofday");
	succeeded("set the clock");
}
