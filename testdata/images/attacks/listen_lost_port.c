/*
 * Listens on a port that is not granted by a socket that says it has one that
 * is: a connection's end loses the port that the kernel chose for it when it
 * is disconnected, and getsockname(2) still tells of it (connect(2),
 * AF_UNSPEC; ip(7), IP_LOCAL_PORT_RANGE, by which it has been the granted one).
 */
#include "attempt.h"
#include <arpa/inet.h>
#include <sys/socket.h>

#ifndef IP_LOCAL_PORT_RANGE
#define IP_LOCAL_PORT_RANGE 51
#endif

static int choose(int fd, unsigned int port)
{
	unsigned int range = port << 16 | port;

	return setsockopt(fd, IPPROTO_IP, IP_LOCAL_PORT_RANGE, &range, sizeof range);
}

int main(int argc, char **argv)
{
	struct sockaddr_in at = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	struct sockaddr nothing = { .sa_family = AF_UNSPEC };
	int first, second, wanted, server, s;
	socklen_t size = sizeof at;

	if (argc != 4)
		cannot_tell("no ports given");
	first = atoi(argv[1]), second = atoi(argv[2]), wanted = atoi(argv[3]);
	at.sin_port = htons(first);
	server = socket(AF_INET, SOCK_STREAM, 0);
	if (bind(server, (struct sockaddr *)&at, sizeof at) || listen(server, 1))
		refused("listen");
	s = socket(AF_INET, SOCK_STREAM, 0);
	at.sin_port = htons(wanted);
	if (bind(s, (struct sockaddr *)&at, sizeof at) == 0 && listen(s, 1) == 0)
		succeeded("port %d is listened on", wanted);
	at.sin_port = htons(first);
	s = socket(AF_INET, SOCK_STREAM, 0);
	if (choose(s, second))
		cannot_tell("this kernel lets no socket choose among ports");
	if (connect(s, (struct sockaddr *)&at, sizeof at))
		refused("connect");
	if (connect(s, &nothing, sizeof nothing) || choose(s, wanted) || listen(s, 1))
		refused("listen");
	if (getsockname(s, (struct sockaddr *)&at, &size) || ntohs(at.sin_port) != wanted)
		refused("getsockname");
	succeeded("port %d is listened on", wanted);
}
