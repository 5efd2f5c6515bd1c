/*
 * Connects to a port of the host that is not granted, by addresses and sockets
 * of every kind (connect(2), ip(7)): a server that trusts whoever is on the
 * same machine is a usual way from a container to its host (CDK's
 * "docker-api-pwn").
 */
#include "attempt.h"
#include "network.h"

int main(int argc, char **argv)
{
	static const in_addr_t addresses[] = { INADDR_LOOPBACK, INADDR_ANY, INADDR_LOOPBACK + 1 };
	int port = number(argc, argv, 1), met = 0;

	for (int i = 0; i < 3; i++) {
		struct sockaddr_in to = loopback(port);
		int s = socket(AF_INET, SOCK_STREAM, IPPROTO_TCP), unbound = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
		char longer[128] = { 0 };

		to.sin_addr.s_addr = htonl(addresses[i]);
		memcpy(longer, &to, sizeof to);
		if (connect(s, (struct sockaddr *)&to, sizeof to) == 0 && reaches(s, port))
			succeeded("port %d by address %#x", port, addresses[i]);
		met = errno;
		/* The kernel takes a longer address than it reads. */
		if (connect(s, (struct sockaddr *)longer, sizeof longer) == 0 && reaches(s, port))
			succeeded("port %d by an address of %zu bytes", port, sizeof longer);
		if (connect(unbound, (struct sockaddr *)&to, sizeof to) == 0 || errno == EINPROGRESS)
			succeeded("port %d without waiting", port);
	}
	errno = met;
	refused("connect");
}
