/*
 * Loads a filter with a listener of its own, the last of whose equal verdicts
 * the kernel takes: it would answer in the place of lpm's (seccomp_unotify(2);
 * EBUSY since Linux 5.0).
 */
#include "attempt.h"
#include <linux/filter.h>
#include <linux/seccomp.h>

int main(void)
{
	struct sock_filter notify = BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW);
	struct sock_fprog program = { 1, &notify };
	int fd;

	prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
	fd = syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, SECCOMP_FILTER_FLAG_NEW_LISTENER, &program);
	if (fd < 0)
		refused("seccomp");
	succeeded("calls wait for us");
}
