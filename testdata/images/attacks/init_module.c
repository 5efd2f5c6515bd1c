/*
 * Loads a kernel module from memory (init_module(2)). What it loads is no
 * module: a kernel that is willing says so (ENOEXEC).
 */
#include "attempt.h"

int main(void)
{
	static char image[4096];

	if (syscall(SYS_init_module, image, sizeof image, "") == 0 || errno == ENOEXEC)
		succeeded("the kernel looked at our module");
	if (errno == ENOSYS)
		cannot_tell("this kernel has no modules");
	refused("init_module");
}
