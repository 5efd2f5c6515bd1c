/*
 * Connects to a port that is not granted by a transport that Landlock takes for
 * no TCP: MPTCP, SCTP, SMC, DCCP (landlock(7); security/landlock/net.c).
 */
#include "attempt.h"
#include "network.h"

#ifndef IPPROTO_MPTCP
#define IPPROTO_MPTCP 262
#endif

int main(int argc, char **argv)
{
	static const int kinds[][3] = {
		{ AF_INET, SOCK_STREAM, IPPROTO_MPTCP }, { AF_INET, SOCK_STREAM, IPPROTO_SCTP }, { AF_SMC, SOCK_STREAM, 0 },
		{ AF_INET, SOCK_SEQPACKET, IPPROTO_SCTP }, { AF_INET, SOCK_DCCP, IPPROTO_DCCP },
	};
	int port = number(argc, argv, 1), met = 0;
	struct sockaddr_in to = loopback(port);

	for (int i = 0; i < 5; i++) {
		int s = socket(kinds[i][0], kinds[i][1], kinds[i][2]);

		if (s >= 0 && connect(s, (struct sockaddr *)&to, sizeof to) == 0 && reaches(s, port))
			succeeded("port %d by protocol %d of family %d", port, kinds[i][2], kinds[i][0]);
		if (s >= 0)
			cannot_tell("there is a socket of protocol %d of family %d", kinds[i][2], kinds[i][0]);
		if (met == 0)
			met = errno;
	}
	errno = met;
	refused("socket");
}
