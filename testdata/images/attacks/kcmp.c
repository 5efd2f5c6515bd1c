/*
 * Compares kernel objects of two processes, which tells of the order of
 * addresses in the kernel (kcmp(2)).
 */
#include "attempt.h"
#include <linux/kcmp.h>

int main(void)
{
	struct other o = other();
	long order = syscall(SYS_kcmp, getpid(), o.pid, KCMP_FILE, 0, 0);

	if (order < 0)
		refused("kcmp");
	errno = 0;
	if (order != 0)
		refused("kcmp");
	succeeded("descriptor 0 is the same file");
}
