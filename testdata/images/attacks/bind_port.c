/*
 * Listens on a port of the host that is not granted, by every address that has
 * it: of no family, which the kernel takes for IPv4, and of IPv6, which may have
 * IPv4 with it (bind(2), ipv6(7)).
 */
#include "attempt.h"
#include "network.h"

static int met;

static void take(int family, const void *at, socklen_t size, const char *what)
{
	int s = socket(family, SOCK_STREAM, 0);

	if (s >= 0 && bind(s, at, size) == 0 && listen(s, 1) == 0)
		succeeded("listens by an address of %s", what);
	if (met == 0)
		met = errno;
}

int main(int argc, char **argv)
{
	int port = number(argc, argv, 1);
	struct sockaddr_in at = loopback(port);
	struct sockaddr_in6 both = mapped(port), every = { .sin6_family = AF_INET6, .sin6_port = htons(port) };

	take(AF_INET, &at, sizeof at, "loopback");
	at.sin_addr.s_addr = htonl(INADDR_ANY);
	take(AF_INET, &at, sizeof at, "every interface");
	at.sin_family = AF_UNSPEC;
	take(AF_INET, &at, sizeof at, "no family");
	take(AF_INET6, &both, sizeof both, "IPv4 in IPv6");
	take(AF_INET6, &every, sizeof every, "IPv6");
	take(AF_INET6, &every, sizeof every - 4, "IPv6 without a scope");
	errno = met;
	refused("bind");
}
