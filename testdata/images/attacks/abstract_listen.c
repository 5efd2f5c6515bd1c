/*
 * Waits for programs of the host at a socket that is in no folder, under a name
 * that they take for a server's (unix(7); CVE-2022-42919 and X servers before
 * they were told to have none).
 */
#include "attempt.h"
#include "network.h"

int main(int argc, char **argv)
{
	struct sockaddr_un at = { .sun_family = AF_UNIX, .sun_path = "socket" };
	socklen_t size;
	int s = socket(AF_UNIX, SOCK_STREAM, 0), inside = socket(AF_UNIX, SOCK_STREAM, 0);

	if (argc < 2)
		cannot_tell("which name?");
	/* One in a folder is the container's own. */
	if (bind(inside, (struct sockaddr *)&at, sizeof at) < 0 || listen(inside, 1) < 0)
		cannot_tell("not even in a folder: %s", strerrorname_np(errno));
	size = abstract(&at, argv[1]);
	if (bind(s, (struct sockaddr *)&at, size) < 0)
		refused("bind");
	if (listen(s, 1) < 0)
		refused("listen");
	alarm(10);
	if (accept4(s, NULL, NULL, 0) < 0)
		refused("accept");
	succeeded("a program of the host has come to @%s", argv[1]);
}
