/*
 * Asks a socket of the host's network for a descriptor of that network (SIOCGSKNS
 * of linux/sockios.h), to be its administrator.
 */
#include "attempt.h"
#include "network.h"
#include <linux/sockios.h>
#include <sys/ioctl.h>

int main(void)
{
	int s = socket(AF_INET, SOCK_STREAM, 0);

	if (ioctl(s, SIOCGSKNS) < 0)
		refused("SIOCGSKNS");
	succeeded("has the network's namespace");
}
