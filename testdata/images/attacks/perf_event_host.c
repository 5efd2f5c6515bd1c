/*
 * Watches all that runs on a processor, of the host and of other containers
 * (perf_event_open(2); CVE-2020-14351).
 */
#include "attempt.h"
#include <linux/perf_event.h>

int main(void)
{
	struct perf_event_attr attr = {
		.type = PERF_TYPE_SOFTWARE,
		.size = sizeof attr,
		.config = PERF_COUNT_SW_CPU_CLOCK,
		.exclude_kernel = 1,
		.exclude_hv = 1,
	};

	if (syscall(SYS_perf_event_open, &attr, -1, 0, -1, 0) < 0)
		refused("perf_event_open");
	succeeded("an event of processor 0");
}
