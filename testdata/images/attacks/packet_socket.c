/*
 * Reads what others send, by a packet socket (packet(7); CVE-2020-14386,
 * CVE-2017-7308).
 */
#include "attempt.h"
#include <arpa/inet.h>
#include <net/ethernet.h>
#include <sys/socket.h>
#include <sys/time.h>

int main(void)
{
	struct sockaddr_in to = { .sin_family = AF_INET, .sin_port = htons(9), .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	struct timeval wait = { .tv_sec = 5 };
	char frame[2048];
	int s = socket(AF_PACKET, SOCK_RAW, htons(ETH_P_ALL)), u;

	if (s < 0)
		refused("socket");
	u = socket(AF_INET, SOCK_DGRAM, 0);
	if (setsockopt(s, SOL_SOCKET, SO_RCVTIMEO, &wait, sizeof wait) < 0 ||
	    sendto(u, "another's secret", 16, 0, (struct sockaddr *)&to, sizeof to) < 0)
		refused("sendto");
	for (;;) {
		ssize_t n = recv(s, frame, sizeof frame, 0);

		if (n < 0)
			refused("recv");
		if (memmem(frame, n, "another's secret", 16))
			succeeded("read what was sent to another");
	}
}
