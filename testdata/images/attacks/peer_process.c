/*
 * Gets hold of the process of the host at the other end of a socket, which
 * takes no number that the container has for it, and signals it (unix(7),
 * SO_PEERPIDFD since Linux 6.5; pidfd_send_signal(2)).
 */
#include "attempt.h"
#include <sys/socket.h>
#include <sys/un.h>

#ifndef SO_PEERPIDFD
#define SO_PEERPIDFD 77
#endif

int main(int argc, char **argv)
{
	struct sockaddr_un to = { .sun_family = AF_UNIX };
	int s = socket(AF_UNIX, SOCK_STREAM, 0), peer = -1;
	socklen_t size = sizeof peer;

	if (argc < 2 || strlen(argv[1]) >= sizeof to.sun_path)
		cannot_tell("which socket?");
	strcpy(to.sun_path, argv[1]);
	if (connect(s, (struct sockaddr *)&to, sizeof to) < 0)
		refused("connect");
	if (getsockopt(s, SOL_SOCKET, SO_PEERPIDFD, &peer, &size) < 0) {
		if (errno == ENOPROTOOPT)
			cannot_tell("this kernel has no SO_PEERPIDFD");
		refused("SO_PEERPIDFD");
	}
	if (syscall(SYS_pidfd_send_signal, peer, 0, NULL, 0) < 0)
		refused("pidfd_send_signal");
	succeeded("the server can be signalled");
}
