/* Addresses of the host's loopback, for what is done to ports and names. */
#include <arpa/inet.h>
#include <stddef.h>
#include <sys/socket.h>
#include <sys/un.h>

/* The number in an argument, which the test gives. */
__attribute__((unused))
static int number(int argc, char **argv, int n)
{
	if (argc <= n)
		cannot_tell("no argument %d given", n);
	return atoi(argv[n]);
}

__attribute__((unused))
static struct sockaddr_in loopback(int port)
{
	struct sockaddr_in to = { .sin_family = AF_INET, .sin_port = htons(port), .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };

	return to;
}

/* ::ffff:127.0.0.1, by which a socket of IPv6 speaks IPv4 (ipv6(7)). */
__attribute__((unused))
static struct sockaddr_in6 mapped(int port)
{
	struct sockaddr_in6 to = { .sin6_family = AF_INET6, .sin6_port = htons(port) };

	inet_pton(AF_INET6, "::ffff:127.0.0.1", &to.sin6_addr);
	return to;
}

/* A name that is in no folder (unix(7)), and its length as an address. */
__attribute__((unused))
static socklen_t abstract(struct sockaddr_un *at, const char *name)
{
	memset(at, 0, sizeof *at);
	at->sun_family = AF_UNIX;
	if (strlen(name) >= sizeof at->sun_path)
		cannot_tell("the name is too long");
	memcpy(at->sun_path + 1, name, strlen(name));
	return offsetof(struct sockaddr_un, sun_path) + 1 + strlen(name);
}

/* Whether the kernel says that a socket is connected to a port. */
__attribute__((unused))
static int reaches(int s, int port)
{
	struct sockaddr_storage peer;
	socklen_t size = sizeof peer;

	/* The port is at the same place in both families. */
	return getpeername(s, (struct sockaddr *)&peer, &size) == 0 && ntohs(((struct sockaddr_in *)&peer)->sin_port) == port;
}
