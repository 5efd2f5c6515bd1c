/*
 * Sends to a server of the host by UDP where only TCP is granted, which needs
 * no connection (udp(7)): Landlock has no rule for it.
 */
#include "attempt.h"
#include "network.h"
#include <sys/time.h>

int main(int argc, char **argv)
{
	int port = number(argc, argv, 1), s = socket(AF_INET, SOCK_DGRAM, 0);
	struct sockaddr_in to = loopback(port);
	struct timeval wait = { .tv_sec = 5 };
	char answer;

	if (s < 0)
		refused("socket");
	if (setsockopt(s, SOL_SOCKET, SO_RCVTIMEO, &wait, sizeof wait) < 0 ||
	    sendto(s, "x", 1, 0, (struct sockaddr *)&to, sizeof to) < 0)
		refused("sendto");
	if (recv(s, &answer, 1, 0) != 1)
		refused("recv");
	succeeded("port %d answers", port);
}
