/*
 * Loads a kernel module from a file (finit_module(2)). What it loads is no
 * module: a kernel that is willing says so (ENOEXEC).
 */
#include "attempt.h"

int main(void)
{
	int fd = open("/proc/self/exe", O_RDONLY);

	if (fd < 0)
		refused("open");
	if (syscall(SYS_finit_module, fd, "", 0) == 0 || errno == ENOEXEC)
		succeeded("the kernel looked at our module");
	if (errno == ENOSYS)
		cannot_tell("this kernel has no modules");
	refused("finit_module");
}
