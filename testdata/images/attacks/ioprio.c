/*
 * Has its input and output done before that of others (ioprio_set(2),
 * IOPRIO_CLASS_RT).
 */
#include "attempt.h"

int main(void)
{
	const int process = 1, realtime = 1 << 13;

	if (syscall(SYS_ioprio_set, process, 0, realtime) < 0)
		refused("ioprio_set");
	errno = 0;
	if (syscall(SYS_ioprio_get, process, 0) != realtime)
		refused("ioprio_set");
	succeeded("input and output before all others");
}
