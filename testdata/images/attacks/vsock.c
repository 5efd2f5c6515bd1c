/*
 * Makes a socket to the hypervisor, which is in no network namespace
 * (vsock(7); CVE-2021-26708, CVE-2025-21756).
 */
#include "attempt.h"
#include <sys/socket.h>

int main(void)
{
	static const int types[] = { SOCK_STREAM, SOCK_SEQPACKET, SOCK_DGRAM };
	int met = 0;

	for (int i = 0; i < 3; i++) {
		/* The kernel reads 32 bits of the family. */
		for (int wide = 0; wide < 2; wide++) {
			if (syscall(SYS_socket, AF_VSOCK | (unsigned long)wide << 32, types[i], 0) >= 0)
				succeeded("a socket of type %d", types[i]);
			if (met == 0)
				met = errno;
		}
	}
	errno = met;
	refused("socket");
}
