/*
 * Has the kernel compute a hash by a socket (AF_ALG; CVE-2019-8912,
 * CVE-2011-4081).
 */
#include "attempt.h"
#include <sys/socket.h>
#include <linux/if_alg.h>

int main(void)
{
	struct sockaddr_alg name = { .salg_family = AF_ALG, .salg_type = "hash", .salg_name = "sha256" };
	unsigned char digest[32] = { 0 };
	int s = socket(AF_ALG, SOCK_SEQPACKET, 0), op;

	if (s < 0 && errno == EAFNOSUPPORT)
		cannot_tell("this kernel has no AF_ALG");
	if (s < 0)
		refused("socket");
	if (bind(s, (struct sockaddr *)&name, sizeof name) < 0)
		refused("bind");
	op = accept4(s, NULL, NULL, 0);
	if (op < 0)
		refused("accept4");
	if (write(op, "abc", 3) != 3 || read(op, digest, sizeof digest) != sizeof digest)
		refused("read");
	errno = 0;
	if (digest[0] != 0xba || digest[1] != 0x78)
		refused("read");
	succeeded("the kernel computed a hash");
}
