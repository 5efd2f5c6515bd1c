/*
 * Switches the quotas of a file system off (quotactl(2)).
 */
#include "attempt.h"
#include <sys/quota.h>

int main(void)
{
	int fd = open("/tmp", O_RDONLY | O_DIRECTORY);

	if (syscall(SYS_quotactl_fd, fd, QCMD(Q_QUOTAOFF, USRQUOTA), 0, NULL) == 0)
		succeeded("no quotas any more");
	if (errno == ENOSYS)
		cannot_tell("this file system has no quotas");
	refused("quotactl_fd");
}
