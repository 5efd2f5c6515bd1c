/*
 * Watches what is done to files (fanotify(7)), with what an ordinary user may
 * have since Linux 5.13.
 */
#include "attempt.h"
#include <poll.h>
#include <sys/fanotify.h>

int main(void)
{
	struct pollfd waits = { .events = POLLIN };

	waits.fd = syscall(SYS_fanotify_init, FAN_CLASS_NOTIF | FAN_REPORT_FID, O_RDONLY);
	if (waits.fd < 0)
		refused("fanotify_init");
	if (syscall(SYS_fanotify_mark, waits.fd, FAN_MARK_ADD, (unsigned long)FAN_CREATE, AT_FDCWD, "/tmp") < 0)
		refused("fanotify_mark");
	close(creat("file", 0600));
	errno = 0;
	if (poll(&waits, 1, 5000) != 1)
		refused("poll");
	succeeded("told of a file that was made");
}
