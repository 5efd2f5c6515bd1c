/*
 * Takes a processor for itself (sched_setscheduler(2), SCHED_FIFO).
 */
#include "attempt.h"
#include <sched.h>

int main(void)
{
	struct sched_param first = { .sched_priority = 1 };

	if (syscall(SYS_sched_setscheduler, 0, SCHED_FIFO, &first) < 0)
		refused("sched_setscheduler");
	errno = 0;
	if (syscall(SYS_sched_getscheduler, 0) != SCHED_FIFO)
		refused("sched_setscheduler");
	succeeded("runs before all others");
}
