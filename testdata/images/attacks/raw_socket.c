/*
 * Sends a packet that it has made itself, of a protocol that has no ports
 * (raw(7); CVE-2017-17712).
 */
#include "attempt.h"
#include <arpa/inet.h>
#include <netinet/ip_icmp.h>
#include <sys/socket.h>
#include <sys/time.h>

int main(void)
{
	struct sockaddr_in to = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	struct icmphdr echo = { .type = ICMP_ECHO, .checksum = (unsigned short)~ICMP_ECHO };
	struct timeval wait = { .tv_sec = 5 };
	char packet[256];
	int s = socket(AF_INET, SOCK_RAW, IPPROTO_ICMP);

	if (s < 0)
		refused("socket");
	if (setsockopt(s, SOL_SOCKET, SO_RCVTIMEO, &wait, sizeof wait) < 0 ||
	    sendto(s, &echo, sizeof echo, 0, (struct sockaddr *)&to, sizeof to) < 0)
		refused("sendto");
	if (recv(s, packet, sizeof packet, 0) < 0)
		refused("recv");
	succeeded("sent and received ICMP");
}
