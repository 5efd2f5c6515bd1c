/*
 * Opens a performance event, a part of the kernel with a history
 * (CVE-2013-2094, CVE-2023-6931).
 */
#include "attempt.h"
#include <linux/perf_event.h>

int main(void)
{
	struct perf_event_attr attr = {
		.type = PERF_TYPE_SOFTWARE,
		.size = sizeof attr,
		.config = PERF_COUNT_SW_TASK_CLOCK,
		.exclude_kernel = 1,
		.exclude_hv = 1,
	};
	unsigned long long count = 0;
	int fd = syscall(SYS_perf_event_open, &attr, 0, -1, -1, 0);

	if (fd < 0)
		refused("perf_event_open");
	for (volatile int i = 0; i < 1000000; i++)
		;
	if (read(fd, &count, sizeof count) != sizeof count || count == 0)
		cannot_tell("the event counts nothing");
	succeeded("counted %llu ns", count);
}
