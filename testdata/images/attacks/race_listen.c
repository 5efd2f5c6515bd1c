/*
 * Listens on a port that is not granted, by taking the granted one away from
 * its socket between the supervisor's look at it and the call (tcp(7), on
 * resets; ip(7), IP_LOCAL_PORT_RANGE; seccomp_unotify(2) on such races). The
 * port of a connection is lost when its other end resets it.
 */
#include "attempt.h"
#include <arpa/inet.h>
#include <pthread.h>
#include <sys/socket.h>

#ifndef IP_LOCAL_PORT_RANGE
#define IP_LOCAL_PORT_RANGE 51
#endif

static volatile int other_end = -1, spin;

static void *reset(void *unused)
{
	for (;;) {
		int fd = other_end;

		if (fd < 0)
			continue;
		for (volatile int i = 0; i < spin; i++)
			;
		other_end = -1;
		close(fd);
	}
	return unused;
}

static int port_of(int fd)
{
	struct sockaddr_in at;
	socklen_t size = sizeof at;

	return getsockname(fd, (struct sockaddr *)&at, &size) ? -1 : ntohs(at.sin_port);
}

static int choose(int fd, unsigned int port)
{
	unsigned int range = port << 16 | port;

	return setsockopt(fd, IPPROTO_IP, IP_LOCAL_PORT_RANGE, &range, sizeof range);
}

int main(int argc, char **argv)
{
	struct sockaddr_in at = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	struct linger now = { .l_onoff = 1 };
	int granted, second, wanted, server, s;
	pthread_t thread;

	if (argc != 4)
		cannot_tell("no ports given");
	granted = atoi(argv[1]), second = atoi(argv[2]), wanted = atoi(argv[3]);
	at.sin_port = htons(wanted);
	s = socket(AF_INET, SOCK_STREAM, 0);
	if (bind(s, (struct sockaddr *)&at, sizeof at) == 0 && listen(s, 1) == 0)
		succeeded("port %d can be listened on", wanted);
	at.sin_port = htons(granted);
	server = socket(AF_INET, SOCK_STREAM, 0);
	if (bind(server, (struct sockaddr *)&at, sizeof at) || listen(server, 1))
		cannot_tell("the granted port cannot be listened on: %s", strerror(errno));
	pthread_create(&thread, NULL, reset, NULL);
	for (int round = 0; round < 3000; round++) {
		int end;

		s = socket(AF_INET, SOCK_STREAM, 0);
		if (choose(s, second))
			refused("setsockopt");
		if (connect(s, (struct sockaddr *)&at, sizeof at)) {
			close(s);
			continue;
		}
		end = accept4(server, NULL, NULL, 0);
		setsockopt(end, SOL_SOCKET, SO_LINGER, &now, sizeof now);
		choose(s, wanted);
		other_end = end;
		if (listen(s, 1) == 0 && port_of(s) != second)
			succeeded("port %d is listened on", port_of(s));
		/* Refused, the reset has come too soon; invalid, too late. */
		spin = errno == EACCES ? spin + 20 : spin > 20 ? spin - 20 : 0;
		while (other_end >= 0)
			;
		close(s);
	}
	errno = EACCES;
	refused("listen");
}
