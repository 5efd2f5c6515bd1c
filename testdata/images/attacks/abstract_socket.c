/*
 * Connects and sends to sockets of the host that are in no folder, where it has
 * the host's network (unix(7); CVE-2020-15257 and CDK's "shim-pwn", which talk to
 * containerd's).
 */
#include "attempt.h"
#include "network.h"

int main(int argc, char **argv)
{
	struct sockaddr_un at;
	socklen_t size;
	int s, met;

	if (argc < 3)
		cannot_tell("which sockets?");
	size = abstract(&at, argv[1]);
	s = socket(AF_UNIX, SOCK_STREAM, 0);
	if (connect(s, (struct sockaddr *)&at, size) == 0)
		succeeded("connected to @%s", argv[1]);
	met = errno;
	size = abstract(&at, argv[2]);
	s = socket(AF_UNIX, SOCK_DGRAM, 0);
	if (sendto(s, "x", 1, 0, (struct sockaddr *)&at, size) == 1)
		succeeded("sent to @%s", argv[2]);
	if (connect(s, (struct sockaddr *)&at, size) == 0 && send(s, "x", 1, 0) == 1)
		succeeded("connected to @%s", argv[2]);
	errno = met;
	refused("connect");
}
