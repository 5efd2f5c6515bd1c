/*
 * Loads a filter that allows everything on top of the one that does not, and
 * makes a call that is not granted (seccomp(2)).
 */
#include "attempt.h"
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <sys/personality.h>

int main(void)
{
	struct sock_filter allow = BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW);
	struct sock_fprog program = { 1, &allow };
	int persona;

	prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
	if (syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, 0, &program) < 0)
		refused("seccomp");
	persona = personality(0xffffffff);
	if (persona < 0)
		refused("personality");
	succeeded("personality says %#x", persona);
}
