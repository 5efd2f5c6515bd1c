/*
 * Sends from an address that the host does not have (ip(7), IP_TRANSPARENT;
 * RFC 2827).
 */
#include "attempt.h"
#include "network.h"

int main(void)
{
	struct sockaddr_in from = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(0xc0000201) /* 192.0.2.1, RFC 5737 */ };
	int one = 1, s = socket(AF_INET, SOCK_STREAM, 0);

	if (setsockopt(s, IPPROTO_IP, IP_TRANSPARENT, &one, sizeof one) < 0)
		refused("IP_TRANSPARENT");
	if (bind(s, (struct sockaddr *)&from, sizeof from) < 0)
		refused("bind");
	succeeded("is 192.0.2.1");
}
