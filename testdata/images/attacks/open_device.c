/*
 * Opens devices of the host: memory, disks, the kernel's log, what mounts file
 * systems and runs machines (mem(4); CDK's "mount-disk").
 */
#include "attempt.h"
#include <fcntl.h>

int main(void)
{
	static const char *const paths[] = {
		"/dev/fuse", "/dev/mem", "/dev/port", "/dev/kmsg", "/dev/sda", "/dev/vda", "/dev/nvme0n1",
		"/dev/loop-control", "/dev/mapper/control", "/dev/kvm", "/dev/net/tun", "/dev/vhost-net",
		"/dev/uinput", "/dev/input/event0", "/dev/tty1", "/dev/ttyS0", "/dev/snd/timer",
	};

	for (size_t i = 0; i < sizeof paths / sizeof *paths; i++)
		if (open(paths[i], O_RDONLY | O_NONBLOCK | O_NOCTTY) >= 0)
			succeeded("%s is open", paths[i]);
	refused("open");
}
