/*
 * Opens a terminal of the host, to write to whoever sits there, to read what he
 * types, or to change its size and modes (pts(4), tty(4), vcs(4)).
 */
#include "attempt.h"
#include <sys/ioctl.h>

int main(int argc, char **argv)
{
	static const char *const others[] = { "/dev/tty0", "/dev/tty1", "/dev/vcs", "/dev/vcsa1", "/dev/ttyS0", "/dev/hvc0", "/dev/ttyprintk" };
	int met = 0;

	for (int i = 0; i < 8; i++) {
		const char *path = i ? others[i - 1] : argc > 1 ? argv[1] : "/dev/pts/0";
		int fd = open(path, O_RDWR | O_NOCTTY | O_NONBLOCK);
		struct winsize size = { 1, 1, 0, 0 };

		if (fd >= 0 && i == 0 && ioctl(fd, TIOCSWINSZ, &size) == 0)
			succeeded("%s has another size", path);
		if (fd >= 0)
			succeeded("%s is open", path);
		if (met == 0)
			met = errno;
	}
	errno = met;
	refused("open");
}
