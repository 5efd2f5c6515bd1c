/*
 * Watches the whole file system of the host that a mounted folder is a part
 * of (fanotify_mark(2), FAN_MARK_FILESYSTEM).
 */
#include "attempt.h"
#include <fcntl.h>
#include <sys/fanotify.h>

int main(int argc, char **argv)
{
	int fd = fanotify_init(FAN_CLASS_NOTIF | FAN_REPORT_FID, 0);

	if (fd < 0)
		refused("fanotify_init");
	if (argc != 2 || fanotify_mark(fd, FAN_MARK_ADD | FAN_MARK_FILESYSTEM, FAN_CREATE | FAN_ONDIR, AT_FDCWD, argv[1]))
		refused("fanotify_mark");
	succeeded("the file system of %s is watched", argv[1]);
}
