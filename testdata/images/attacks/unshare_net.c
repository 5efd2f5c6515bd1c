/*
 * Makes a network namespace to be its administrator, for the kernel's network
 * configuration has had many holes (network_namespaces(7); CVE-2021-22555).
 */
#include "attempt.h"
#include <sched.h>
#include <net/if.h>
#include <sys/ioctl.h>
#include <sys/socket.h>

int main(void)
{
	struct ifreq lo = { .ifr_name = "lo", .ifr_flags = IFF_UP };
	int s;

	if (unshare(CLONE_NEWUSER | CLONE_NEWNET) < 0)
		refused("unshare");
	s = socket(AF_INET, SOCK_DGRAM, 0);
	if (s < 0 || ioctl(s, SIOCSIFFLAGS, &lo) < 0)
		refused("SIOCSIFFLAGS");
	succeeded("an interface of ours is up");
}
