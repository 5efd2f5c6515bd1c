/*
 * Sends to everybody on the host's loopback: to a group, and to the broadcast
 * address (ip(7), socket(7)). Who listens there (mDNS, SSDP) asks nobody who he
 * is.
 */
#include "attempt.h"
#include "network.h"

int main(int argc, char **argv)
{
	int port = number(argc, argv, 1), one = 1, s = socket(AF_INET, SOCK_DGRAM, 0);
	struct in_addr interface = { htonl(INADDR_LOOPBACK) };
	struct sockaddr_in to = loopback(port);
	static const in_addr_t everybody[] = { 0xe00000fb /* 224.0.0.251 */, 0x7fffffff, INADDR_BROADCAST };

	if (s < 0)
		refused("socket");
	setsockopt(s, IPPROTO_IP, IP_MULTICAST_IF, &interface, sizeof interface);
	setsockopt(s, SOL_SOCKET, SO_BROADCAST, &one, sizeof one);
	for (int i = 0; i < 3; i++) {
		to.sin_addr.s_addr = htonl(everybody[i]);
		sendto(s, "x", 1, 0, (struct sockaddr *)&to, sizeof to);
	}
	/* Whether anything has arrived the test knows. */
	errno = 0;
	refused("sendto");
}
