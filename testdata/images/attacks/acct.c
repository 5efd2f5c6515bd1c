/*
 * Has the kernel write a record of every process that ends on the host into a
 * file (acct(2)).
 */
#include "attempt.h"

int main(void)
{
	close(creat("acct", 0600));
	if (acct("acct") < 0) {
		if (errno == ENOSYS)
			cannot_tell("this kernel has no acct");
		refused("acct");
	}
	acct(NULL);
	succeeded("every end of a process is recorded");
}
