/*
 * Gives the host a file to swap memory to, where it can then be read
 * (swapon(2)). The file is no swap: a kernel that is willing says so (EINVAL).
 */
#include "attempt.h"
#include <sys/swap.h>

int main(void)
{
	close(creat("swap", 0600));
	if (swapon("swap", 0) == 0 || errno == EINVAL)
		succeeded("the kernel looked at our swap");
	if (errno == ENOSYS)
		cannot_tell("this kernel does not swap");
	refused("swapon");
}
