/*
 * Has the machine boot another kernel (kexec_load(2)). With no segments, the
 * call unloads what was loaded.
 */
#include "attempt.h"

int main(void)
{
	if (syscall(SYS_kexec_load, 0, 0, NULL, 0) == 0)
		succeeded("the kernel for a crash is ours to choose");
	if (errno == ENOSYS)
		cannot_tell("this kernel has no kexec_load");
	refused("kexec_load");
}
