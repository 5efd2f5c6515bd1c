/*
 * Administers the network that it is in: gives its interface another address
 * (netdevice(7); CVE-2020-14386 begins with an interface of one's own).
 */
#include "attempt.h"
#include "network.h"
#include <net/if.h>
#include <sys/ioctl.h>

int main(void)
{
	struct ifreq ask = { .ifr_name = "lo" };
	struct sockaddr_in other = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK + 1) };
	int s = socket(AF_INET, SOCK_STREAM, 0);

	strcpy(ask.ifr_name, "lo:1");
	memcpy(&ask.ifr_addr, &other, sizeof other);
	if (ioctl(s, SIOCSIFADDR, &ask) < 0)
		refused("SIOCSIFADDR");
	succeeded("loopback has another address");
}
