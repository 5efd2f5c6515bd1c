/*
 * Has the machine boot another kernel, the newer way (kexec_file_load(2)).
 */
#include "attempt.h"
#include <linux/kexec.h>

int main(void)
{
	if (syscall(SYS_kexec_file_load, -1, -1, 0UL, NULL, KEXEC_FILE_UNLOAD) == 0)
		succeeded("the next kernel is ours to choose");
	if (errno == ENOSYS)
		cannot_tell("this kernel has no kexec_file_load");
	refused("kexec_file_load");
}
