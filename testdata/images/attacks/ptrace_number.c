/*
 * Has a tracer change the number of a call that is granted into that of one
 * that is not, after the filter has looked (seccomp(2), CAVEATS: before Linux
 * 4.8 that worked).
 */
#include "attempt.h"
#include <signal.h>
#include <sys/ptrace.h>
#include <sys/user.h>

int main(void)
{
#ifdef __x86_64__
	struct user_regs_struct regs;
	int status;
	pid_t pid = fork();

	if (pid == 0) {
		if (ptrace(PTRACE_TRACEME, 0, 0, 0) < 0)
			_exit(errno);
		raise(SIGSTOP);
		/* To become personality(0xffffffff), which only asks. */
		_exit(syscall(SYS_getpgid, 0xffffffff) == -1 && errno == EPERM ? EPERM : 0);
	}
	if (waitpid(pid, &status, 0) < 0)
		refused("waitpid");
	if (!WIFSTOPPED(status)) {
		errno = WEXITSTATUS(status);
		refused("ptrace");
	}
	do {
		if (ptrace(PTRACE_SYSCALL, pid, 0, 0) < 0 || waitpid(pid, &status, 0) < 0 || !WIFSTOPPED(status))
			refused("ptrace");
		if (ptrace(PTRACE_GETREGS, pid, 0, &regs) < 0)
			refused("ptrace");
	} while (regs.orig_rax != SYS_getpgid);
	regs.orig_rax = SYS_personality;
	if (ptrace(PTRACE_SETREGS, pid, 0, &regs) < 0 || ptrace(PTRACE_SYSCALL, pid, 0, 0) < 0 || waitpid(pid, &status, 0) < 0)
		refused("ptrace");
	ptrace(PTRACE_GETREGS, pid, 0, &regs);
	ptrace(PTRACE_KILL, pid, 0, 0);
	if ((long)regs.rax < 0) {
		errno = -(long)regs.rax;
		refused("personality");
	}
	succeeded("personality says %#llx", regs.rax);
#else
	cannot_tell("written for x86-64");
#endif
}
