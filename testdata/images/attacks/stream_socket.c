/*
 * Connects anew by the socket that it has for its input, which is not of the
 * container's network (connect(2), AF_UNSPEC; network_namespaces(7)).
 */
#include "attempt.h"
#include <arpa/inet.h>
#include <sys/socket.h>

int main(int argc, char **argv)
{
	struct sockaddr_in to = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	struct sockaddr nothing = { .sa_family = AF_UNSPEC };

	to.sin_port = htons(argc == 2 ? atoi(argv[1]) : 0);
	if (connect(0, &nothing, sizeof nothing))
		refused("connect");
	if (connect(0, (struct sockaddr *)&to, sizeof to))
		refused("connect");
	succeeded("port %s of the host is connected", argv[1]);
}
