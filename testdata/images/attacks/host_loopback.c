/*
 * Looks for servers of the host at addresses that are the host's own, where
 * it has a network without the host (network_namespaces(7); CVE-2020-15257;
 * CDK's "docker-api-pwn").
 */
#include "attempt.h"
#include "network.h"

int main(int argc, char **argv)
{
	int port = number(argc, argv, 1), s, met = 0;
	struct sockaddr_in to = loopback(port);
	struct sockaddr_in6 also = mapped(port);
	struct sockaddr_un name;

	s = socket(AF_INET, SOCK_STREAM, 0);
	if (connect(s, (struct sockaddr *)&to, sizeof to) == 0 && reaches(s, port))
		succeeded("port %d", port);
	met = errno;
	s = socket(AF_INET6, SOCK_STREAM, 0);
	if (connect(s, (struct sockaddr *)&also, sizeof also) == 0 && reaches(s, port))
		succeeded("port %d by IPv6", port);
	s = socket(AF_UNIX, SOCK_STREAM, 0);
	if (argc > 2 && connect(s, (struct sockaddr *)&name, abstract(&name, argv[2])) == 0)
		succeeded("socket %s", argv[2]);
	errno = met;
	refused("connect");
}
