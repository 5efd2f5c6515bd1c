/*
 * Makes a socket by arguments with bits that the kernel does not read, for a
 * filter that does (seccomp(2), CAVEATS; CVE-2019-10063).
 */
#include "attempt.h"
#include "network.h"
#include <sys/time.h>

int main(int argc, char **argv)
{
	int port = number(argc, argv, 1), met = 0;
	struct sockaddr_in to = loopback(port);
	struct timeval wait = { .tv_sec = 5 };

	for (int wide = 0; wide < 8; wide++) {
		unsigned long more = 1UL << 32 | 1UL << 63;
		int s = syscall(SYS_socket, AF_INET | (wide & 1 ? more : 0), SOCK_DGRAM | (wide & 2 ? more : 0), wide & 4 ? more : 0);
		char answer;

		if (s < 0) {
			met = errno;
			continue;
		}
		setsockopt(s, SOL_SOCKET, SO_RCVTIMEO, &wait, sizeof wait);
		if (sendto(s, "x", 1, 0, (struct sockaddr *)&to, sizeof to) == 1 && recv(s, &answer, 1, 0) == 1)
			succeeded("port %d answers", port);
	}
	errno = met;
	refused("socket");
}
