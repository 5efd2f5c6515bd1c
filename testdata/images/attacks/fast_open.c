/*
 * Connects to a port that is not granted by sending to it, without the call
 * that is watched: TCP Fast Open (tcp(7); RFC 7413), which Landlock does not
 * see, and addresses given along with what is sent.
 */
#include "attempt.h"
#include "network.h"
#include <netinet/tcp.h>
#include <signal.h>

int main(int argc, char **argv)
{
	static const unsigned int flags[] = { MSG_FASTOPEN, MSG_FASTOPEN | MSG_NOSIGNAL, MSG_FASTOPEN | MSG_DONTWAIT, 0 };
	int port = number(argc, argv, 1), one = 1, met = 0, s;
	struct sockaddr_in to = loopback(port);
	struct iovec data = { "x", 1 };
	struct mmsghdr message = { .msg_hdr = { &to, sizeof to, &data, 1, NULL, 0, 0 } };

	signal(SIGPIPE, SIG_IGN);
	for (int i = 0; i < 4; i++) {
		s = socket(AF_INET, SOCK_STREAM, 0);
		if (sendto(s, "x", 1, flags[i], (struct sockaddr *)&to, sizeof to) >= 0 || errno == EINPROGRESS)
			succeeded("sendto with flags %#x", flags[i]);
		if (met == 0)
			met = errno;
		/* Bits that an int has not, which the kernel does not read. */
		if (syscall(SYS_sendto, s, "x", 1, flags[i] | 1UL << 32, &to, sizeof to) >= 0)
			succeeded("sendto with flags %#x and more", flags[i]);
		if (sendmsg(s, &message.msg_hdr, flags[i]) >= 0)
			succeeded("sendmsg with flags %#x", flags[i]);
		if (sendmmsg(s, &message, 1, flags[i]) >= 0)
			succeeded("sendmmsg with flags %#x", flags[i]);
	}
	s = socket(AF_INET, SOCK_STREAM, 0);
	if (setsockopt(s, IPPROTO_TCP, TCP_FASTOPEN_CONNECT, &one, sizeof one) == 0 &&
	    connect(s, (struct sockaddr *)&to, sizeof to) == 0 && write(s, "x", 1) == 1)
		succeeded("connected with what is written");
	errno = met;
	refused("sendto");
}
