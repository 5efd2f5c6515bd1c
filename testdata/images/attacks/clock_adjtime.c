/*
 * Sets how exact the machine's clock is said to be, as it is (adjtimex(2),
 * clock_adjtime).
 */
#include "attempt.h"
#include <time.h>
#include <sys/timex.h>

int main(void)
{
	struct timex t = { 0 };

	if (clock_adjtime(CLOCK_REALTIME, &t) < 0)
		refused("clock_adjtime");
	t.modes = ADJ_MAXERROR;
	if (clock_adjtime(CLOCK_REALTIME, &t) < 0)
		refused("clock_adjtime");
	succeeded("set the clock's error");
}
