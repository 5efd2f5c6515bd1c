/*
 * Has the kernel kill everybody else first when memory runs out (proc(5),
 * oom_score_adj).
 */
#include "attempt.h"

int main(void)
{
	int fd = open("/proc/self/oom_score_adj", O_WRONLY);

	if (fd < 0)
		refused("open");
	if (write(fd, "-1000", 5) < 0)
		refused("write");
	succeeded("never killed for memory");
}
