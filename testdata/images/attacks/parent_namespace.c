/*
 * Asks for the namespaces that hold the container's own, to join them
 * (ioctl_ns(2), NS_GET_PARENT).
 */
#include "attempt.h"
#include <sys/ioctl.h>
#include <linux/nsfs.h>

int main(void)
{
	static const char *const kinds[] = { "/proc/self/ns/user", "/proc/self/ns/pid" };
	int met = 0;

	for (int i = 0; i < 2; i++) {
		int fd = open(kinds[i], O_RDONLY);

		if (fd < 0)
			refused("open");
		if (ioctl(fd, NS_GET_PARENT) >= 0)
			succeeded("have the parent of %s", kinds[i]);
		met = errno;
	}
	errno = met;
	refused("NS_GET_PARENT");
}
