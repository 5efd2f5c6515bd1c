/*
 * Makes a connected socket without connecting it, as who restores a process
 * does (TCP_REPAIR of linux/tcp.h; criu.org, TCP connection).
 */
#include "attempt.h"
#include "network.h"
#include <netinet/tcp.h>

int main(int argc, char **argv)
{
	int port = number(argc, argv, 1), one = 1, s = socket(AF_INET, SOCK_STREAM, 0);
	struct sockaddr_in to = loopback(port);

	if (setsockopt(s, IPPROTO_TCP, TCP_REPAIR, &one, sizeof one) < 0)
		refused("TCP_REPAIR");
	if (connect(s, (struct sockaddr *)&to, sizeof to) < 0 || !reaches(s, port))
		refused("connect");
	succeeded("port %d", port);
}
