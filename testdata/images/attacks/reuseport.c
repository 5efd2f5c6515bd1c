/*
 * Takes connections away from a server of the host, of the same user, that
 * lets others listen beside it (socket(7), SO_REUSEPORT).
 */
#include "attempt.h"
#include "network.h"

int main(int argc, char **argv)
{
	int port = number(argc, argv, 1), one = 1, s = socket(AF_INET, SOCK_STREAM, 0);
	struct sockaddr_in at = loopback(port);

	if (setsockopt(s, SOL_SOCKET, SO_REUSEPORT, &one, sizeof one) < 0)
		refused("SO_REUSEPORT");
	if (bind(s, (struct sockaddr *)&at, sizeof at) < 0)
		refused("bind");
	if (listen(s, 16) < 0)
		refused("listen");
	succeeded("listens on port %d beside its server", port);
}
