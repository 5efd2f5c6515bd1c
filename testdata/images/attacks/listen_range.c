/*
 * Has the kernel choose the port to listen on among no more than one, which is
 * not granted (ip(7), IP_LOCAL_PORT_RANGE and IP_BIND_ADDRESS_NO_PORT).
 */
#include "attempt.h"
#include "network.h"

#ifndef IP_LOCAL_PORT_RANGE
#define IP_LOCAL_PORT_RANGE 51
#endif
#ifndef IP_BIND_ADDRESS_NO_PORT
#define IP_BIND_ADDRESS_NO_PORT 24
#endif

int main(int argc, char **argv)
{
	int port = number(argc, argv, 1), one = 1, met = 0;
	unsigned int range = (unsigned int)port << 16 | port;
	struct sockaddr_in any = loopback(0);

	/* Bound to a port, to an address alone, and not at all. */
	for (int how = 0; how < 3; how++) {
		int s = socket(AF_INET, SOCK_STREAM, 0);

		if (setsockopt(s, IPPROTO_IP, IP_LOCAL_PORT_RANGE, &range, sizeof range) < 0)
			cannot_tell("this kernel lets no socket choose among ports");
		if (how == 1)
			setsockopt(s, IPPROTO_IP, IP_BIND_ADDRESS_NO_PORT, &one, sizeof one);
		if ((how == 2 || bind(s, (struct sockaddr *)&any, sizeof any) == 0) && listen(s, 1) == 0)
			succeeded("port %d, the %d. way", port, how);
		met = errno;
	}
	errno = met;
	refused("listen");
}
