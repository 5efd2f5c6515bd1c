/*
 * Connects to a port of the host that is not granted by an IPv6 socket, whose
 * address has the IPv4 one in it, in the form of RFC 2133 too, which ends
 * before the scope (ipv6(7); CVE-2024-24790 took such addresses for others).
 */
#include "attempt.h"
#include "network.h"

int main(int argc, char **argv)
{
	int port = number(argc, argv, 1);
	struct sockaddr_in6 to = mapped(port);

	for (socklen_t size = sizeof to; size >= sizeof to - 4; size -= 4) {
		int s = socket(AF_INET6, SOCK_STREAM, 0);

		if (s < 0)
			cannot_tell("no IPv6 here");
		if (connect(s, (struct sockaddr *)&to, size) == 0 && reaches(s, port))
			succeeded("port %d by an address of %d bytes", port, (int)size);
	}
	refused("connect");
}
