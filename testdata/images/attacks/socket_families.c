/*
 * Makes a socket of each family that containers have no use for: their code is
 * old and little looked at (CVE-2021-43267 in TIPC, CVE-2009-2692 in
 * Bluetooth's and others, CVE-2010-3904 in RDS).
 */
#include "attempt.h"
#include <sys/socket.h>

int main(void)
{
	int met = 0;

	for (int family = 0; family < 64; family++) {
		if (family == AF_UNIX || family == AF_INET || family == AF_INET6)
			continue;
		for (int type = SOCK_STREAM; type <= SOCK_SEQPACKET; type++) {
			if (socket(family, type, 0) >= 0)
				succeeded("a socket of family %d and type %d", family, type);
			met = errno;
		}
	}
	errno = met;
	refused("socket");
}
